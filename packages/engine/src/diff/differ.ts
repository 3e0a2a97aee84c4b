import type { ApplyOptions, ContentStore, Descriptor, Differ, Digest, Mount } from "@ctr/oci";
import { mediaTypes } from "@ctr/oci";
import { type AppliedLayer, applyLayer } from "./apply-layer.ts";
import type { ApplyLimits } from "./apply-limits.ts";
import { type ApplyPool, openApplyPool } from "./apply-pool.ts";
import { compareMounts, type LayerCompareOptions } from "./compare-trees.ts";
import type { FileGrowth } from "./growing-file.ts";
import { isCompressedLayer } from "./layer-type.ts";
import { openTarget } from "./mounted.ts";

export interface DifferOptions {
  readonly content: ContentStore;
  /** The file of a blob, which a worker can read by itself; without one the blob is read here, in the caller's thread. */
  readonly pathOf?: (digest: Digest) => string | undefined;
  /** Directory for mount points; the system's for temporary files when left out. */
  readonly workDir?: string;
  /** Workers at most, in all differs of the process that name no pool. */
  readonly cores?: number;
  readonly pool?: ApplyPool;
  readonly limits?: ApplyLimits;
}

/** A layer as a file, which may still be growing: an ingest that is being fetched. */
export interface LayerFile {
  readonly mediaType: string;
  readonly path: string;
  /** Left out for a file that is complete. */
  readonly growth?: { readonly now: FileGrowth; readonly news: AsyncIterable<FileGrowth> };
}

export interface ApplyFileOptions extends ApplyOptions {
  /** The layers below are not there yet: `implied` is to be completed by `completeImplied` when they are. */
  readonly lowerLater?: boolean;
  /** Tell what room the tree takes in the end. */
  readonly measure?: boolean;
}

/** The engine's differ: oci's, and what a pull needs besides. */
export interface EngineDiffer extends Differ {
  compare(lower: readonly Mount[], upper: readonly Mount[], options: LayerCompareOptions): Promise<Descriptor>;
  /** Gets ready for so many layers that will come soon. */
  expect(layers: number): void;
  /** Unpacks a layer that is no blob yet. Comparing the digest with the expected diff ID is the caller's. */
  applyFile(layer: LayerFile, mounts: readonly Mount[], options: ApplyFileOptions): Promise<AppliedLayer>;
}

/**
 * Unpacks and compares layers as containerd's walking differ does. Costs nothing until it is used; holds nothing
 * afterwards but idle workers, which keep no process alive. Throws `not_found` for a blob that is not in the namespace,
 * `unknown` for an archive that is broken or of a type nobody here reads, `unimplemented` for a type `compare` does not
 * make.
 */
export function openDiffer(options: DifferOptions): EngineDiffer {
  return new LocalDiffer(options);
}

let processPool: ApplyPool | undefined;

/** One pool for all: every call of the service opens a differ. */
function sharedPool(cores: number | undefined): ApplyPool {
  processPool ??= openApplyPool({ cores: cores ?? process.getBuiltinModule("node:os").availableParallelism() });
  return processPool;
}

let syncPool: ApplyPool | undefined;

/**
 * Waits until everything written to the filesystem of `dir` is on disk, in a thread of its own: waiting for the disk keeps
 * no layer waiting.
 */
export function syncInWorker(dir: string): Promise<void> {
  syncPool ??= openApplyPool({ cores: 1 });
  return syncPool.sync(dir);
}

class LocalDiffer implements EngineDiffer {
  readonly #options: DifferOptions;

  constructor(options: DifferOptions) {
    this.#options = options;
  }

  expect(layers: number): void {
    this.#pool.expect(layers);
  }

  async apply(layer: Descriptor, mounts: readonly Mount[], options: ApplyOptions): Promise<Descriptor> {
    const applied = await this.#applyBlob(layer, mounts, options);
    return { mediaType: mediaTypes.ociLayer, digest: applied.digest, size: BigInt(applied.size) };
  }

  async #applyBlob(layer: Descriptor, mounts: readonly Mount[], options: ApplyOptions): Promise<AppliedLayer> {
    const { content, pathOf, limits } = this.#options;
    const { signal } = options;
    // Also says whether the namespace has it at all.
    await using blob = await content.readerAt(layer.digest, { signal });
    const compressed = isCompressedLayer(layer.mediaType);
    const path = pathOf?.(layer.digest);
    if (path !== undefined) return await this.applyFile({ mediaType: layer.mediaType, path }, mounts, options);
    await using where = await openTarget(mounts, { workDir: this.#workDir, lower: true });
    const chunks = blob.stream({ offset: 0n, length: blob.size }, { signal });
    return await applyLayer(chunks, where.target, { signal, compressed, sync: options.syncFs, limits });
  }

  async applyFile(layer: LayerFile, mounts: readonly Mount[], options: ApplyFileOptions): Promise<AppliedLayer> {
    const { signal, syncFs: sync } = options;
    const compressed = isCompressedLayer(layer.mediaType);
    const lower = options.lowerLater !== true;
    await using where = await openTarget(mounts, { workDir: this.#workDir, lower });
    const { limits } = this.#options;
    const { measure } = options;
    const job = {
      path: layer.path,
      growth: layer.growth?.now,
      target: where.target,
      compressed,
      sync,
      limits,
      measure,
    };
    return await this.#pool.apply(job, { signal, growth: layer.growth?.news });
  }

  compare(lower: readonly Mount[], upper: readonly Mount[], options: LayerCompareOptions): Promise<Descriptor> {
    const tools = { content: this.#options.content, workDir: this.#workDir };
    return compareMounts(tools, { lower, upper }, options);
  }

  get #pool(): ApplyPool {
    return this.#options.pool ?? sharedPool(this.#options.cores);
  }

  get #workDir(): string {
    return this.#options.workDir ?? process.getBuiltinModule("node:os").tmpdir();
  }
}
