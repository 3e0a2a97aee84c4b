import {
  allPlatforms,
  anyPlatform,
  type ContentStore,
  type ConvertLayer,
  convertImage,
  type Digest,
  hostPlatform,
  onlyStrictPlatform,
  type PlatformMatcher,
  parsePlatform,
  uncompressLayer,
} from "@ctr/oci";
import { type CommandContext, defineCommand } from "../../command.ts";
import { erofsLayers, parseErofsForm } from "../../erofs/convert.ts";
import { UnpackedLayers } from "../../erofs/layer.ts";
import { type MkfsSettings, openMkfs } from "../../erofs/mkfs.ts";
import { fail } from "../../errors.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { convert } from "../../table/images.ts";

type Flags = CommandContext<(typeof convert)["flags"]>["flags"];

/** `ctr images convert SRC DST`: everything is done by this command; the daemon only stores what comes of it. */
export const convertCommand = defineCommand<typeof convert>({
  async run(context) {
    const { args, flags, stdout, connect } = context;
    const [source = "", name = ""] = args;
    if (source === "" || name === "") throw fail("src and target image need to be specified");
    const matcher = matcherOf(flags);
    const form = context.given("erofs") ? parseErofsForm(flags.erofs) : undefined;
    const mkfs = form === undefined ? undefined : await openMkfs(context.env);
    const client = await connect();
    using interrupt = abortOnInterrupt(context.signal);
    const { signal } = interrupt;
    await using lease = await client.leases.hold({ signal });
    const image = await lease.client.images.get(source, { signal });
    const { content } = lease.client;
    const unpacked = new UnpackedLayers(lease.client, image.target, matcher);
    const sources = mkfs && { mkfs, content, treeOf: (diffID: Digest) => unpacked.treeOf(diffID, { signal }) };
    const made = await convertImage(content, image.target, {
      signal,
      matcher,
      toOci: flags.oci,
      ...(flags.uncompress ? { convertLayer: uncompressing(content) } : {}),
      ...(form && sources ? { convertLayer: erofsLayers(sources, form, mkfsOf(flags)), osFeature: "erofs" } : {}),
    }).catch(async (error: unknown) => {
      const { explainMissing } = await import("../../missing-content.ts");
      throw await explainMissing(client, error, { images: [source], matcher, signal });
    });
    const target = made ?? image.target;
    await lease.client.images.put({ name, target, labels: image.labels }, { signal });
    await stdout.write(`${target.digest}\n`);
  },
});

function mkfsOf({ erofsCompressors, erofsMkfsOptions }: Flags): MkfsSettings {
  return { compressors: erofsCompressors, options: erofsMkfsOptions.split(/\s+/).filter(Boolean) };
}

function matcherOf(flags: Flags): PlatformMatcher {
  if (flags.allPlatforms) return allPlatforms;
  if (flags.platform.length > 0) return anyPlatform(flags.platform.map(parsePlatform));
  return onlyStrictPlatform(hostPlatform());
}

function uncompressing(content: ContentStore): ConvertLayer {
  return async (was, options) => {
    const layer = await uncompressLayer(content, was, options);
    return layer === undefined ? undefined : { layer };
  };
}
