import { ContainerdError } from "@ctr/api";
import { type Digest, openDigester, type SnapshotUsage } from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import { measureTree } from "../snapshots/usage.ts";
import { type ApplyLimits, defaultLimits } from "./apply-limits.ts";
import { asBuffer, decompressLayer } from "./decompressor.ts";
import type { LayerTarget } from "./layer-target.ts";
import { LayerWriter } from "./layer-writer.ts";
import { TarParser } from "./tar-parser.ts";

export interface ApplyLayerOptions {
  readonly signal: AbortSignal;
  /** Whether the first bytes may say that the stream is compressed. */
  readonly compressed: boolean;
  /** Bring the file system to disk at the end. */
  readonly sync?: boolean | undefined;
  readonly limits?: ApplyLimits | undefined;
  /** Told now and then how many members there were so far. */
  readonly onEntries?: (entries: number) => void;
  /** Tell what room the whole tree takes in the end. */
  readonly measure?: boolean | undefined;
}

export interface AppliedLayer {
  /** Of the uncompressed stream, what follows the tar's end included: the diff ID. */
  readonly digest: Digest;
  /** Bytes of the same. */
  readonly size: number;
  /** Directories the layer has no entry for, as byte strings: see `completeImplied`. */
  readonly implied: readonly string[];
  /** Of the whole tree; only where it was asked for. */
  readonly usage?: SnapshotUsage;
}

/** What is not compressed is read without ever waiting: after so many bytes others, the abort among them, get a turn. */
const BYTES_PER_TURN = 4 * 1024 * 1024;

/**
 * Unpacks one layer from a stream, in the caller's thread, which it blocks for a chunk at a time: the engine runs it in
 * a worker (`openApplyPool`). Memory does not grow with the layer. What was written stays when it fails.
 */
export async function applyLayer(
  chunks: AsyncIterable<Uint8Array>,
  target: LayerTarget,
  options: ApplyLayerOptions,
): Promise<AppliedLayer> {
  const { signal, limits = defaultLimits } = options;
  using writer = new LayerWriter(target, limits);
  const parser = new TarParser(writer);
  const digester = openDigester();
  const meter = new Meter(limits);
  const counted = meter.countCompressed(chunks);
  let turnAt = BYTES_PER_TURN;
  for await (const bytes of options.compressed ? decompressLayer(counted) : counted) {
    signal.throwIfAborted();
    const chunk = asBuffer(bytes);
    meter.add(chunk.byteLength);
    digester.update(chunk);
    parser.push(chunk);
    options.onEntries?.(writer.entries);
    failpoint("apply.chunk");
    if (meter.size < turnAt) continue;
    turnAt = meter.size + BYTES_PER_TURN;
    await new Promise((resolve) => setImmediate(resolve));
  }
  signal.throwIfAborted();
  parser.finish();
  writer.finish();
  failpoint("apply.written");
  if (options.sync === true) writer.sync();
  const applied = { digest: digester.digest(), size: meter.size, implied: writer.implied };
  return options.measure === true ? { ...applied, usage: writer.usage ?? measureTree(target.dir) } : applied;
}

/** Counts what goes in and comes out, and stops a bomb (R12). */
class Meter {
  readonly #limits: ApplyLimits;
  #compressed = 0;
  #size = 0;

  constructor(limits: ApplyLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  async *countCompressed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      this.#compressed += chunk.byteLength;
      yield chunk;
    }
  }

  add(length: number): void {
    this.#size += length;
    const { maxBytes, maxRatio, ratioAfterBytes } = this.#limits;
    if (this.#size > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`);
    if (this.#size > ratioAfterBytes && this.#size > maxRatio * this.#compressed) {
      throw tooLarge(`${this.#size} bytes out of ${this.#compressed}, more than ${maxRatio} to one`);
    }
  }
}

function tooLarge(why: string): ContainerdError {
  return new ContainerdError({ code: "resource_exhausted", what: "cannot unpack layer", why });
}
