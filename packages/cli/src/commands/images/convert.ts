import {
  allPlatforms,
  anyPlatform,
  type ContentStore,
  type ConvertLayer,
  convertImage,
  hostPlatform,
  onlyStrictPlatform,
  type PlatformMatcher,
  parsePlatform,
  uncompressLayer,
} from "@ctr/oci";
import { type CommandContext, defineCommand } from "../../command.ts";
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
    const client = await connect();
    using interrupt = abortOnInterrupt(context.signal);
    const { signal } = interrupt;
    await using lease = await client.leases.hold({ signal });
    const image = await lease.client.images.get(source, { signal });
    const { content } = lease.client;
    const made = await convertImage(content, image.target, {
      signal,
      matcher,
      toOci: flags.oci,
      ...(flags.uncompress ? { convertLayer: uncompressing(content) } : {}),
    });
    const target = made ?? image.target;
    await lease.client.images.put({ name, target, labels: image.labels }, { signal });
    await stdout.write(`${target.digest}\n`);
  },
});

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
