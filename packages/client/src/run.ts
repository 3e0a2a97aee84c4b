import { hasCode, type protobufAny } from "@ctr/api";
import {
  applySpecOptions,
  defaultSpec,
  type ImageConfig,
  imageConfigLabels,
  type Labels,
  type Spec,
  type SpecOption,
  type SpecRequest,
  specOptions,
} from "@ctr/oci";
import { type Client, DEFAULT_RUNTIME } from "./client.ts";
import type { CniOptions } from "./cni/cni.ts";
import { networkExtensions } from "./cni/container-network.ts";
import type { Container } from "./container.ts";
import type { SnapshotterSettings } from "./images.ts";
import type { IoChoice } from "./process-io.ts";
import { signalOf } from "./settings.ts";
import { STOP_SIGNAL_LABEL } from "./signals.ts";
import { openRootfsReader, openSpecHost } from "./spec-host.ts";
import type { Task } from "./task.ts";

export interface CreateContainerOptions extends SnapshotterSettings {
  readonly id: string;
  /** Name of an image that is in the store. */
  readonly image: string;
  /** Replaces the image's entrypoint and command. */
  readonly args?: readonly string[] | undefined;
  /** `NAME=value`, laid over the image's. */
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** `user`, `uid`, `user:group` or `uid:gid`. */
  readonly user?: string | undefined;
  readonly hostname?: string | undefined;
  /** Gives the process a terminal. */
  readonly terminal?: boolean | undefined;
  readonly labels?: Labels | undefined;
  /** `io.containerd.runc.v2` when left out. */
  readonly runtime?: { readonly name: string; readonly options?: protobufAny.Any } | undefined;
  /** Connects its tasks to the network that CNI is set up for here; Linux. */
  readonly network?: "cni" | undefined;
  /** Any further change to the spec; these come last. */
  readonly spec?: readonly SpecOption[] | undefined;
}

export interface RunOptions extends CreateContainerOptions {
  /** Piped unless said otherwise, or through a terminal. */
  readonly io?: IoChoice | undefined;
  /** Where CNI's parts are, and what its plugins are told. */
  readonly cni?: CniOptions | undefined;
  /** Keeps container and snapshot when the task is disposed of. */
  readonly keep?: boolean | undefined;
}

/**
 * A container and its task, started. Disposing the task removes all of it; when a step fails, what the earlier ones
 * made is removed again.
 */
export async function runContainer(client: Client, options: RunOptions): Promise<Task> {
  const container = await createContainer(client, options);
  const remove = async () => {
    if (options.keep !== true) await container.delete({ cni });
  };
  const { io, signal, cni } = options;
  let task: Task | undefined;
  try {
    task = await container.createTask({ io, signal, cni, afterDispose: remove });
    await task.start({ signal });
    return task;
  } catch (error) {
    // The error that led here is the one to see; what clean-up cannot remove is collected or shown by `ctr`.
    await (task === undefined ? remove() : task[Symbol.asyncDispose]()).catch(() => undefined);
    throw error;
  }
}

/** Unpacks where needed, prepares the snapshot, builds the spec and stores the record. */
export async function createContainer(client: Client, options: CreateContainerOptions): Promise<Container> {
  const signal = signalOf(options);
  await using lease = await client.leases.hold({ signal });
  const { images, containers } = lease.client;
  const { target } = await images.get(options.image, { signal });
  const { chainID } = await images.unpack(target, options);
  const { config } = await images.config(target, options);
  const snapshots = lease.client.snapshots(options.snapshotter);
  const mounts = await snapshots.prepare(options.id, chainID, { signal });
  try {
    const spec = await buildSpec(client, { options, config, mounts });
    return await containers.create(
      {
        id: options.id,
        image: options.image,
        labels: { ...imageLabels(config), ...options.labels },
        runtime: options.runtime ?? { name: DEFAULT_RUNTIME },
        spec,
        extensions: options.network === "cni" ? networkExtensions() : {},
        snapshotter: snapshots.name,
        snapshotKey: options.id,
      },
      { signal },
    );
  } catch (error) {
    // Nobody refers to it now; a second try with the same id must not meet it.
    await snapshots.remove(options.id).catch(ignoreMissing);
    throw error;
  }
}

/** The image's own labels but for reserved ones, and its stop signal. */
function imageLabels({ config }: ImageConfig): Labels {
  const stopSignal = config.stopSignal === "" ? "SIGTERM" : config.stopSignal;
  return { ...imageConfigLabels(config.labels), [STOP_SIGNAL_LABEL]: stopSignal };
}

interface SpecSources {
  readonly options: CreateContainerOptions;
  readonly config: ImageConfig;
  readonly mounts: Parameters<typeof openRootfsReader>[0];
}

async function buildSpec(client: Client, { options, config, mounts }: SpecSources): Promise<Spec> {
  await using rootfs = openRootfsReader(mounts);
  const { namespace } = client;
  const { id } = options;
  const steps = [...specOptions(specRequest(options, config)), ...(options.spec ?? [])];
  return await applySpecOptions(defaultSpec({ namespace, id }), steps, { namespace, id, host: openSpecHost(), rootfs });
}

/** Every question `run` can be asked, answered with what `options` say and nothing else. */
function specRequest(options: CreateContainerOptions, { config }: ImageConfig): SpecRequest {
  return {
    image: config,
    args: options.args ?? [],
    env: options.env ?? [],
    cwd: options.cwd ?? "",
    user: options.user ?? "",
    hostname: options.hostname ?? "",
    tty: options.terminal ?? false,
    envFile: "",
    mount: [],
    readOnly: false,
    privileged: false,
    netHost: false,
    annotation: [],
    capAdd: [],
    capDrop: [],
    seccomp: false,
    seccompProfile: "",
    apparmorDefaultProfile: "",
    apparmorProfile: "",
    withNs: [],
    allowNewPrivsGiven: false,
    memoryLimit: 0n,
    cpuQuota: -1n,
    cpuPeriod: 0n,
    device: [],
    gpus: [],
    rootfsPropagation: "",
    blockioConfigFile: "",
    blockioClass: "",
    rdtClass: "",
    label: {},
  };
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, "not_found")) throw error;
}
