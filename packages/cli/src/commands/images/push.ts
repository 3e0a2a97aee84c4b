import type { Client } from "@ctr/client";
import {
  allPlatforms,
  anyPlatform,
  type Descriptor,
  type Digest,
  findManifest,
  onlyPlatform,
  parsePlatform,
} from "@ctr/oci";
import { type CommandContext, defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { fail, wrap } from "../../errors.ts";
import { openLocalProgress } from "../../progress/local.ts";
import { checkRegistryFlags, resolverOf } from "../../registry-options.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { push } from "../../table/images.ts";
import { usesTransfer } from "../../transfer/choice.ts";

type Context = CommandContext<(typeof push)["flags"]>;

/** `ctr images push REMOTE [LOCAL]`: an image, or one manifest, to a registry. */
export const pushCommand = defineCommand<typeof push>({
  async run(context) {
    const { args, flags, globals, stdout, connect } = context;
    const [remote = "", local = remote] = args;
    if (remote === "") throw fail("please provide a remote image reference to push");
    checkRegistryFlags(flags);
    const client = await connect();
    const platforms = flags.platform.map(parsePlatform);
    const matcher = platforms.length > 0 ? anyPlatform(platforms) : allPlatforms;
    const explain = async (error: unknown) => {
      const wanted = { images: [local], matcher, signal: context.signal };
      throw await (await import("../../missing-content.ts")).explainMissing(client, error, wanted);
    };
    if (await usesTransfer(client, context)) {
      return (await import("../../transfer/push.ts")).pushByTransfer(client, context).catch(explain);
    }
    const resolver = await resolverOf(flags, context);
    using interrupt = abortOnInterrupt(context.signal);
    const { signal } = interrupt;
    const options = {
      signal,
      resolver,
      image: await targetOf(client, local, context, signal),
      allowNonDistributable: flags.allowNonDistributableBlobs,
      ...(flags.maxConcurrentUploadedLayers > 0 ? { maxConcurrentUploads: flags.maxConcurrentUploadedLayers } : {}),
    };
    const reference = withDigest(remote, options.image);
    if (globals.debug) {
      await client.images.push(reference, options).catch(explain);
      return;
    }
    await using progress = openLocalProgress({ stdout, verb: "uploading" });
    await client.images.push(reference, { ...options, onProgress: progress.on }).catch(explain);
    await progress.finish();
  },
});

/** The upload goes to the digest, and the tag with it, unless REMOTE says otherwise. */
function withDigest(remote: string, target: Descriptor): string {
  return remote.includes("@") ? remote : `${remote}@${target.digest}`;
}

function manifestDigest(text: string): Digest {
  try {
    return digestArgument(text);
  } catch (error) {
    throw wrap("invalid manifest digest", error);
  }
}

/** What to send: a manifest named by digest, the image's one manifest of a platform, or the image. */
async function targetOf(client: Client, local: string, { flags }: Context, signal: AbortSignal): Promise<Descriptor> {
  if (flags.manifest !== "") {
    const digest = manifestDigest(flags.manifest);
    const { size } = await client.content.info(digest, { signal });
    return { mediaType: flags.manifestType, digest, size };
  }
  const { target } = await client.images.get(local, { signal }).catch((error: unknown) => {
    throw wrap("unable to resolve image to manifest", error);
  });
  const [platform, ...others] = flags.platform;
  // With more than one the Go tool sends the whole index, so that nothing asked for is missing.
  if (platform === undefined || others.length > 0) return target;
  const matcher = onlyPlatform(parsePlatform(platform));
  return (await findManifest(client.content, target, { signal, matcher })).descriptor;
}
