import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type BlobRef, type Layout, mediaTypes, sha256, writeBlob } from "../e2e/support/images.ts";
import { mustRun } from "../e2e/support/process.ts";

/** Images to time with, made here once per checkout. What is in them is random, and compresses to a third. */
const cache = resolve(import.meta.dir, "../.cache/bench");
const MIB = 1024 * 1024;

export type BenchImage = "large" | "large-zstd" | "small-files" | "many-layers";

interface Recipe {
  readonly layers: number;
  readonly zstd?: boolean;
  /** Sizes of a layer's files, in bytes, and in how many directories they lie. */
  readonly files: readonly number[];
  readonly directories: number;
}

const recipes: Readonly<Record<BenchImage, Recipe>> = {
  large: { layers: 6, files: Array<number>(36).fill(4 * MIB), directories: 6 },
  "large-zstd": { layers: 6, zstd: true, files: Array<number>(36).fill(4 * MIB), directories: 6 },
  "small-files": {
    layers: 4,
    files: Array.from({ length: 10_000 }, (_, at) => 100 + (at % 40) * 100),
    directories: 500,
  },
  "many-layers": { layers: 60, files: Array<number>(20).fill(2000), directories: 4 },
};

/** The layout of an image, built if need be. */
export async function benchImage(name: BenchImage): Promise<Layout> {
  const dir = join(cache, name);
  const built = await stat(join(dir, "index.json")).catch(() => undefined);
  if (built === undefined) {
    const work = await mkdtemp(join(tmpdir(), "ctr-bench-image-"));
    await build(work, recipes[name]);
    await mkdir(cache, { recursive: true });
    await rm(dir, { recursive: true, force: true });
    await mustRun(["mv", join(work, "layout"), dir]);
    await rm(work, { recursive: true, force: true });
  }
  const { manifests } = JSON.parse(await readFile(join(dir, "index.json"), "utf8"));
  return { dir, target: manifests[0] };
}

async function build(work: string, recipe: Recipe): Promise<void> {
  const layout = join(work, "layout");
  await mkdir(join(layout, "blobs/sha256"), { recursive: true });
  const layers: BlobRef[] = [];
  const diffIds: string[] = [];
  for (let index = 0; index < recipe.layers; index++) {
    const tar = join(work, "layer.tar");
    await writeFiles(join(work, "tree"), index, recipe);
    await mustRun(["tar", "-C", join(work, "tree"), "--sort=name", "--numeric-owner", "-cf", tar, "."]);
    await rm(join(work, "tree"), { recursive: true });
    const bytes = await readFile(tar);
    diffIds.push(sha256(bytes));
    layers.push(await writeBlob(layout, layerType(recipe), await compress(tar, bytes, recipe)));
  }
  const config = { architecture: process.arch === "arm64" ? "arm64" : "amd64", os: "linux", config: { Cmd: ["true"] } };
  const text = JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: diffIds } });
  const { manifest: mediaType, config: configType } = mediaTypes.oci;
  const manifest = { schemaVersion: 2, mediaType, config: await writeBlob(layout, configType, text), layers };
  const target = await writeBlob(layout, mediaType, JSON.stringify(manifest));
  const entry = { ...target, annotations: { "org.opencontainers.image.ref.name": "latest" } };
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  await writeFile(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

function layerType({ zstd }: Recipe): string {
  return zstd ? mediaTypes.oci.layer.replace("+gzip", "+zstd") : mediaTypes.oci.layer;
}

async function compress(tar: string, bytes: Buffer, { zstd }: Recipe): Promise<Buffer> {
  if (zstd) return Buffer.from(await Bun.zstdCompress(bytes, { level: 3 }));
  await mustRun(["gzip", "-nf", tar]);
  const packed = `${tar}.gz`;
  try {
    return await readFile(packed);
  } finally {
    await rename(packed, `${tar}.old`);
  }
}

async function writeFiles(tree: string, layer: number, { files, directories }: Recipe): Promise<void> {
  const pool = compressible();
  for (let at = 0; at < directories; at++) await mkdir(join(tree, `layer-${layer}/dir-${at}`), { recursive: true });
  for (const [at, size] of files.entries()) {
    const from = Math.floor(Math.random() * (pool.byteLength - size));
    await writeFile(join(tree, `layer-${layer}/dir-${at % directories}/file-${at}`), pool.subarray(from, from + size));
  }
}

/** Bytes of which a third is random and the rest repeats something near. */
function compressible(): Buffer {
  const bytes = Buffer.alloc(16 * MIB);
  for (let at = 0; at < bytes.byteLength; at += 96) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 32, bytes.byteLength)));
    bytes.copy(bytes, at + 32, at, at + 32);
    bytes.copy(bytes, at + 64, at, at + 32);
  }
  return bytes;
}
