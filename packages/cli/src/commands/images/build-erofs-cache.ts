import { hasCode } from "@ctr/api";
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  findManifest,
  hostPlatform,
  onlyPlatform,
  onlyStrictPlatform,
  type PlatformMatcher,
  parsePlatform,
  readDiffIDs,
} from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { becomesErofs, type LayerSources, UnpackedLayers, writeErofs } from "../../erofs/layer.ts";
import { type MkfsSettings, openMkfs } from "../../erofs/mkfs.ts";
import { openScratch } from "../../erofs/scratch.ts";
import { appendVerity } from "../../erofs/verity.ts";
import { fail, failArgument, wrap } from "../../errors.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { buildErofsCache } from "../../table/images.ts";

/** `ctr images build-erofs-cache IMAGE DIR`: each layer as an EROFS image, found by its diff ID; DIR is printed. */
export const buildErofsCacheCommand = defineCommand<typeof buildErofsCache>({
  async run(context) {
    const { args, flags, env, stdout, connect } = context;
    const [name = "", dir = ""] = args;
    if (name === "" || dir === "") throw fail("image ref and cache dir must be specified");
    const matcher = matcherOf(flags.platform);
    const mkfs = await openMkfs(env);
    const client = await connect();
    using interrupt = abortOnInterrupt(context.signal);
    const { signal } = interrupt;
    await using lease = await client.leases.hold({ signal });
    const { content } = lease.client;
    const { target } = await client.images.get(name, { signal });
    const unpacked = new UnpackedLayers(lease.client, target, matcher);
    const sources = { mkfs, content, treeOf: (diffID: Digest) => unpacked.treeOf(diffID, { signal }) };
    const settings = { compressors: flags.compressors, options: words(flags.mkfsOptions), dmverity: flags.dmverity };
    try {
      const { manifest } = await findManifest(content, target, { signal, matcher });
      const diffIDs = await readDiffIDs(content, target, { signal, matcher });
      for (const [at, layer] of manifest.layers.entries()) {
        const diffID = diffIDs[at];
        if (!becomesErofs(layer)) continue;
        if (diffID === undefined) throw fail(`the image has no diff ID for layer ${layer.digest}`);
        await cacheLayer(sources, { layer, diffID, dir }, { ...settings, signal });
      }
    } catch (error) {
      if (!hasCode(error, "not_found")) throw error;
      throw wrap(`fetch the image content first, e.g. \`ctr content fetch ${name}\``, error);
    }
    await stdout.write(`${dir}\n`);
  },
});

function matcherOf(platform: string): PlatformMatcher {
  if (platform === "") return onlyStrictPlatform(hostPlatform());
  try {
    return onlyPlatform(parsePlatform(platform));
  } catch (error) {
    throw failArgument(`invalid platform ${JSON.stringify(platform)}: ${error instanceof Error ? error.message : ""}`);
  }
}

/** Divided at blanks. */
function words(text: string): readonly string[] {
  return text.split(/\s+/).filter(Boolean);
}

interface CachedLayer {
  readonly layer: Descriptor;
  readonly diffID: Digest;
  readonly dir: string;
}

/** Made beside its place and renamed, synced before and after: whoever finds it finds all of it. */
async function cacheLayer(
  sources: LayerSources,
  { layer, diffID, dir }: CachedLayer,
  settings: MkfsSettings & { readonly dmverity: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { chmod, mkdir, rename, writeFile } = await import("node:fs/promises");
  await mkdir(dir, { recursive: true, mode: 0o755 });
  await using scratch = await openScratch(dir);
  const file = `${scratch.dir}/layer.erofs`;
  await writeErofs(sources, { layer, diffID, file }, settings);
  const hex = digestHex(diffID);
  const place = `${dir}/${digestAlgorithm(diffID)}/${hex.slice(0, 2)}`;
  await mkdir(place, { recursive: true, mode: 0o755 });
  if (settings.dmverity) {
    const { rootHash, hashOffset } = await appendVerity(file, crypto.randomUUID());
    const sidecar = `${scratch.dir}/layer.dmverity`;
    await writeFile(sidecar, JSON.stringify({ roothash: rootHash, hashoffset: hashOffset }, undefined, 2));
    await chmod(sidecar, 0o644);
    await sync(sidecar);
    // First the sidecar: a reader goes by the image's being there.
    await rename(sidecar, `${place}/${hex}.erofs.dmverity`);
  }
  await chmod(file, 0o644);
  await sync(file);
  await rename(file, `${place}/${hex}.erofs`);
  await sync(place);
}

async function sync(path: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  await using handle = await open(path, "r");
  await handle.sync();
}
