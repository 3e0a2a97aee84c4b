import { hasCode } from "@ctr/api";
import {
  type Client,
  type Container,
  networkExtensions,
  openRootfsReader,
  openSpecHost,
  prepareRemapped,
  type RemoteSnapshotter,
  STOP_SIGNAL_LABEL,
  withGrace,
} from "@ctr/client";
import {
  applySpecOptions,
  chainIDOf,
  defaultPlatforms,
  defaultSpec,
  findConfig,
  type Image,
  type ImageRunConfig,
  imageConfigLabels,
  isUnpacked,
  type Labels,
  type Mount,
  onlyPlatform,
  parseIdMapping,
  parsePlatform,
  parseSpec,
  type RunOnlyRequest,
  type Spec,
  type SpecOption,
  type SpecRequest,
  specOptions,
} from "@ctr/oci";
import { defaultSnapshotter } from "./default-snapshotter.ts";
import { fail } from "./errors.ts";
import type { FlagValues } from "./flag.ts";
import { parseLabels } from "./labels.ts";
import { readOnce } from "./read-once.ts";
import { type RuntimeFlags, runtimeOptions } from "./runtime-options.ts";
import type { containerFlags } from "./table/shared-flags.ts";

/** The flags `run` and `containers create` share. */
export type ContainerFlags = FlagValues<ReturnType<typeof containerFlags>>;

/** What a container is made of; how the command line said it is decided before. */
export interface ContainerRequest {
  readonly flags: ContainerFlags;
  readonly allowNewPrivsGiven: boolean;
  /** Image name or directory, id, and the process's words, as they stood on the line. */
  readonly source: string;
  readonly id: string;
  readonly args: readonly string[];
  readonly run?: RunOnlyRequest & {
    readonly platform: string;
    readonly syncFs: boolean;
    readonly remapLabels: boolean;
    readonly rm: boolean;
    readonly cni: boolean;
  };
}

/** A container that was just made. */
export interface MadeContainer {
  readonly container: Container;
  /** How its snapshot is mounted, where it has one. */
  readonly rootfs?: readonly Mount[];
  /** Lets go of the lease it was made under, which need not be waited for before going on; twice is harmless. */
  release(): Promise<void>;
}

/**
 * Makes a container's snapshot and record. When a step fails, what the earlier ones made is removed again, so that the
 * same id can be used at once.
 */
export async function makeContainer(
  client: Client,
  request: ContainerRequest,
  signal: AbortSignal,
): Promise<MadeContainer> {
  const { flags } = request;
  if (flags.config === "" && !flags.rootfs) return makeFromImage(client, request, signal);
  const make = flags.config === "" ? makeFromDirectory : makeFromConfig;
  return { container: await make(client, request, signal), async release() {} };
}

async function makeFromConfig(
  client: Client,
  { flags, id, run }: ContainerRequest,
  signal: AbortSignal,
): Promise<Container> {
  const spec = parseSpec(await readConfig(flags.config));
  return client.containers.create(
    { ...recordParts(flags, run), id, spec, labels: parseLabels(flags.label) },
    { signal },
  );
}

async function readConfig(path: string): Promise<Uint8Array> {
  try {
    return await openSpecHost().readFile(path);
  } catch (error) {
    throw fail(`cannot load spec config file: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function makeFromDirectory(client: Client, request: ContainerRequest, signal: AbortSignal): Promise<Container> {
  const { resolve } = await import("node:path");
  const rootfsPath = resolve(request.source);
  const spec = await buildSpec(client, request, { rootfsPath }, rootfsPath);
  const { flags, id, run } = request;
  const labels = parseLabels(flags.label);
  return client.containers.create({ ...recordParts(flags, run), id, spec, labels }, { signal });
}

async function makeFromImage(client: Client, request: ContainerRequest, signal: AbortSignal): Promise<MadeContainer> {
  const { flags, id, run } = request;
  const matcher = run?.platform ? onlyPlatform(parsePlatform(run.platform)) : defaultPlatforms();
  const [snapshotter, image] = await Promise.all([
    defaultSnapshotter(client, flags.snapshotter, signal),
    client.images.get(request.source, { signal }),
  ]);
  // Only what is run has a task, and one of a sandbox has the sandbox's shim.
  if (run !== undefined && flags.sandbox === "") {
    client.expectTask({ id, runtime: flags.runtime, isPassing: run.rm });
  }
  // Asked for while the image is looked at.
  const holding = client.leases.hold({ signal });
  const release = async () => (await holding)[Symbol.asyncDispose]();
  try {
    const { config } = await findConfig(readOnce(client.content, signal), image.target, { signal, matcher });
    // Without layers there is no chain, which unpacking says.
    const chainID = config.diffIDs.length === 0 ? "" : chainIDOf(config.diffIDs);
    if (chainID === "" || !(await isUnpacked(client.snapshots(snapshotter), chainID, { signal }))) {
      await client.images.unpack(image.target, { signal, snapshotter, matcher, syncFs: run?.syncFs });
    }
    const parts = { image, config: config.config, chainID, snapshotter };
    const made = await makeUnder((await holding).client, request, parts, signal);
    return { ...made, release };
  } catch (error) {
    // That it could not be had is told if it was what failed first.
    await release().catch(() => undefined);
    throw error;
  }
}

interface ImageParts {
  readonly image: Image;
  readonly config: ImageRunConfig;
  readonly chainID: string;
  readonly snapshotter: string;
}

async function makeUnder(
  leased: Client,
  request: ContainerRequest,
  { image, config, chainID, snapshotter }: ImageParts,
  signal: AbortSignal,
): Promise<{ readonly container: Container; readonly rootfs: readonly Mount[] }> {
  const { flags, id, run } = request;
  const snapshots = leased.snapshots(snapshotter);
  const rootfs = await prepareSnapshot(leased, snapshots, chainID, request, withGrace(signal));
  let container: Container | undefined;
  try {
    signal.throwIfAborted();
    const spec = await buildSpec(leased, request, { image: config }, rootfs);
    container = await leased.containers.create(
      {
        ...recordParts(flags, run),
        id,
        image: image.name,
        labels: containerLabels(image, config, flags.label),
        spec,
        snapshotter,
        snapshotKey: id,
      },
      { signal: withGrace(signal) },
    );
    signal.throwIfAborted();
    return { container, rootfs };
  } catch (error) {
    if (container) await container.delete();
    else await snapshots.remove(id).catch(ignoreMissing);
    throw error;
  }
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, "not_found")) throw error;
}

function recordParts(flags: RuntimeFlags & Pick<ContainerFlags, "sandbox">, run: ContainerRequest["run"]) {
  const options = runtimeOptions(flags, run?.cgroup);
  const extensions = run?.cni === true ? networkExtensions() : {};
  return { runtime: { name: flags.runtime, options }, sandboxId: flags.sandbox, extensions };
}

/** The container's snapshot; with `--uidmap` and `--gidmap` one whose files have the ids of that user namespace. */
async function prepareSnapshot(
  client: Client,
  snapshots: RemoteSnapshotter,
  parent: string,
  { flags, id, run }: ContainerRequest,
  signal: AbortSignal,
): Promise<readonly Mount[]> {
  const given = parseLabels(flags.snapshotterLabel);
  const { uidmap = [], gidmap = [], remapLabels = false } = run ?? {};
  if (uidmap.length === 0 || gidmap.length === 0) return snapshots.prepare(id, parent, { signal, labels: given });
  const mapping = {
    "containerd.io/snapshot/uidmapping": uidmap.join(","),
    "containerd.io/snapshot/gidmapping": gidmap.join(","),
  };
  const labels = remapLabels ? { ...given, ...mapping } : given;
  if (remapLabels && (await canRemap(client, snapshots.name, signal))) {
    return snapshots.prepare(id, parent, { signal, labels });
  }
  const mappings = { uid: uidmap.map(parseIdMapping), gid: gidmap.map(parseIdMapping) };
  return prepareRemapped(snapshots, id, parent, { signal, labels, mappings });
}

/** Whether a snapshotter maps ids when labels ask it to; for others the files are copied, as without the flag. */
async function canRemap(client: Client, snapshotter: string, signal: AbortSignal): Promise<boolean> {
  const plugins = await client.introspection.plugins([`type==io.containerd.snapshotter.v1,id==${snapshotter}`], {
    signal,
  });
  return plugins.some(({ capabilities }) => capabilities.includes("remap-ids"));
}

/** Those of the image's configuration, of its record and of `--label`, each over the ones before. */
function containerLabels(image: Image, config: ImageRunConfig, words: readonly string[]): Labels {
  return {
    ...imageConfigLabels(config.labels),
    ...image.labels,
    [STOP_SIGNAL_LABEL]: config.stopSignal || "SIGTERM",
    ...parseLabels(words),
  };
}

async function buildSpec(
  client: Client,
  request: ContainerRequest,
  source: Pick<SpecRequest, "image" | "rootfsPath">,
  tree: readonly Mount[] | string,
): Promise<Spec> {
  const { flags, id, args, run, allowNewPrivsGiven } = request;
  const label = parseLabels(flags.label);
  const options: readonly SpecOption[] = specOptions({
    ...flags,
    ...source,
    args,
    label,
    allowNewPrivsGiven,
    ...(run ? { run } : {}),
  });
  await using rootfs = openRootfsReader(tree);
  const names = { namespace: client.namespace, id };
  return await applySpecOptions(defaultSpec(names), options, { ...names, host: openSpecHost(), rootfs });
}
