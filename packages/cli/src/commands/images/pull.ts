import type { Client, Pulled, PullOptions } from "@ctr/client";
import { type Descriptor, formatPlatform, type Image, onlyPlatform, type Platform, readPlatforms } from "@ctr/oci";
import type { Resolver } from "@ctr/registry";
import { type CommandContext, defineCommand } from "../../command.ts";
import { defaultSnapshotter } from "../../default-snapshotter.ts";
import { fail } from "../../errors.ts";
import { formatGoDuration } from "../../go-duration.ts";
import { parseLabels } from "../../labels.ts";
import { choosePlatforms } from "../../platform-choice.ts";
import { openLocalProgress } from "../../progress/local.ts";
import { checkRegistryFlags, resolverOf } from "../../registry-options.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { pull } from "../../table/images.ts";
import { usesTransfer } from "../../transfer/choice.ts";

type Context = CommandContext<(typeof pull)["flags"]>;

/** `ctr images pull REF`: download, record, unpack. */
export const pullCommand = defineCommand<typeof pull>({
  async run(context) {
    const { args, flags, connect } = context;
    const [reference = ""] = args;
    if (reference === "") throw fail("please provide an image reference to pull");
    checkRegistryFlags(flags);
    const client = await connect();
    if (await usesTransfer(client, context)) {
      return (await import("../../transfer/pull.ts")).pullByTransfer(client, context);
    }
    const resolver = await resolverOf(flags, context);
    using interrupt = abortOnInterrupt(context.signal);
    const fetching = { context, resolver, reference, signal: interrupt.signal };
    const [platform, ...others] = choosePlatforms(flags).platforms ?? [];
    if (platform !== undefined && others.length === 0) return await pullOne(client, platform, fetching);
    const { image } = await fetchImage(client, fetching, { unpack: false });
    await unpackAll(client, image, context, interrupt.signal);
  },
});

interface Fetching {
  readonly context: Context;
  readonly resolver: Resolver;
  readonly reference: string;
  readonly signal: AbortSignal;
}

/** Whose layers are unpacked while others are fetched; that is told only once all is fetched. */
async function pullOne(client: Client, platform: Platform, fetching: Fetching): Promise<void> {
  const { context, signal } = fetching;
  const { flags } = context;
  let started = 0n;
  const { chainID } = await fetchImage(client, fetching, {
    snapshotter: await defaultSnapshotter(client, flags.snapshotter, signal),
    unpackMatcher: onlyPlatform(platform),
    syncFs: flags.syncFs,
    async onFetched({ target }) {
      started = process.hrtime.bigint();
      await tellUnpacking(context, platform, target);
    },
  });
  await tellUnpacked(context, chainID);
  await tellDone(context, started);
}

async function fetchImage(client: Client, fetching: Fetching, unpacking: Partial<PullOptions>): Promise<Pulled> {
  const { context, resolver, reference, signal } = fetching;
  const { flags, globals, stdout } = context;
  const { matcher } = choosePlatforms(flags);
  const options = {
    signal,
    resolver,
    matcher,
    labels: parseLabels(flags.label),
    allMetadata: flags.allMetadata && !flags.skipMetadata,
    maxConcurrentDownloads: flags.maxConcurrentDownloads,
    ...unpacking,
  };
  if (globals.debug) return await client.images.pull(reference, options);
  await using progress = openLocalProgress({ stdout, reference, verb: "downloading" });
  return await client.images.pull(reference, {
    ...options,
    onProgress: progress.on,
    async onFetched(image) {
      await progress.finish();
      await unpacking.onFetched?.(image);
    },
  });
}

/** One platform after the other; the time told is that of unpacking alone. */
async function unpackAll(client: Client, image: Image, context: Context, signal: AbortSignal): Promise<void> {
  const { flags } = context;
  const started = process.hrtime.bigint();
  const snapshotter = await defaultSnapshotter(client, flags.snapshotter, signal);
  for (const platform of await platformsOf(client, image, flags, signal)) {
    await tellUnpacking(context, platform, image.target);
    const options = { signal, snapshotter, matcher: onlyPlatform(platform), syncFs: flags.syncFs };
    const { chainID } = await client.images.unpack(image.target, options);
    await tellUnpacked(context, chainID);
  }
  await tellDone(context, started);
}

async function tellUnpacking({ stdout }: Context, platform: Platform, { digest }: Descriptor): Promise<void> {
  await stdout.write(`unpacking ${formatPlatform(platform)} ${digest}...\n`);
}

async function tellUnpacked({ flags, stdout }: Context, chainID: string | undefined): Promise<void> {
  if (flags.printChainid) await stdout.write(`image chain ID: ${chainID}\n`);
}

async function tellDone({ stdout }: Context, started: bigint): Promise<void> {
  await stdout.write(`done: ${formatGoDuration(process.hrtime.bigint() - started)}\t\n`);
}

async function platformsOf(
  client: Client,
  image: Image,
  flags: Context["flags"],
  signal: AbortSignal,
): Promise<readonly Platform[]> {
  return choosePlatforms(flags).platforms ?? readPlatforms(client.content, image.target, { signal });
}
