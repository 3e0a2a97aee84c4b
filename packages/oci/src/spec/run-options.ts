import { withAppArmorProfile, withDefaultAppArmor } from "./apparmor.ts";
import { withAddedCapabilities, withDroppedCapabilities } from "./capabilities.ts";
import { parseCdiName } from "./cdi/device-name.ts";
import { withDefaultDevices, withDevice } from "./devices.ts";
import { withEnv, withEnvFile } from "./env.ts";
import { type ImageProcess, withImageProcess } from "./image-process.ts";
import { withHostNetwork, withMounts } from "./mounts.ts";
import { parseIdMapping, withNamespace, withUserNamespace } from "./namespaces.ts";
import { refuse, type SpecOption, withLinux, withProcess } from "./option.ts";
import { privilegedOptions } from "./privileged.ts";
import { withCpu, withMemoryLimit, withOpenFileLimit } from "./resources.ts";
import { withDefaultSeccomp, withSeccompFile } from "./seccomp.ts";
import type { Spec } from "./types.ts";
import { withUser } from "./user.ts";

/** What `run` and `containers create` may ask of a spec; the names are those of the flags. */
export interface SpecRequest {
  /** What the image says; left out for a bare root filesystem. */
  readonly image?: ImageProcess;
  /** Absolute path of a directory to use as root filesystem. */
  readonly rootfsPath?: string;
  /** The process' words; they replace the image's entrypoint and command. */
  readonly args: readonly string[];
  readonly envFile: string;
  readonly env: readonly string[];
  readonly mount: readonly string[];
  readonly readOnly: boolean;
  readonly cwd: string;
  readonly user: string;
  readonly tty: boolean;
  readonly privileged: boolean;
  readonly netHost: boolean;
  readonly annotation: readonly string[];
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly seccomp: boolean;
  readonly seccompProfile: string;
  readonly apparmorDefaultProfile: string;
  readonly apparmorProfile: string;
  readonly withNs: readonly string[];
  /** The flag was given, whatever its value: only that counts, as in the Go tool. */
  readonly allowNewPrivsGiven: boolean;
  readonly memoryLimit: bigint;
  readonly cpuQuota: bigint;
  readonly cpuPeriod: bigint;
  readonly device: readonly string[];
  readonly gpus: readonly number[];
  readonly rootfsPropagation: string;
  readonly blockioConfigFile: string;
  readonly blockioClass: string;
  readonly rdtClass: string;
  readonly hostname: string;
  readonly label: Readonly<Record<string, string>>;
  /** What only `run` offers. */
  readonly run?: RunOnlyRequest;
}

export interface RunOnlyRequest {
  readonly privilegedWithoutHostDevices: boolean;
  readonly uidmap: readonly string[];
  readonly gidmap: readonly string[];
  readonly cpus: number;
  readonly cpuShares: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  /** undefined where the flag was not given; "" for no cgroup. */
  readonly cgroup: string | undefined;
  readonly rlimitNofile: string;
}

type Step = (request: SpecRequest) => readonly SpecOption[];

/** Length of a CPU period that `--cpus` counts in, microseconds. */
const CPUS_PERIOD = 100_000;

const when = (wanted: boolean, ...options: readonly SpecOption[]): readonly SpecOption[] => (wanted ? options : []);

/** The steps in the order they are applied: a later one wins. */
const steps: readonly Step[] = [
  () => [withDefaultDevices],
  ({ envFile }) => (envFile === "" ? [] : [withEnvFile(envFile)]),
  ({ env }) => [withEnv(env)],
  ({ mount }) => [withMounts(mount)],
  ({ rootfsPath }) => (rootfsPath === undefined ? [] : [withRootPath(rootfsPath)]),
  ({ image }) => (image ? [withImageProcess(image)] : []),
  ({ run }) => (run ? idMappings(run) : []),
  ({ readOnly }) => when(readOnly, withReadOnlyRoot),
  ({ args }) => (args.length === 0 ? [] : [(spec) => withProcess(spec, { args })]),
  ({ cwd }) => (cwd === "" ? [] : [(spec) => withProcess(spec, { cwd })]),
  ({ user }) => (user === "" ? [] : [withUser(user)]),
  ({ tty }) => when(tty, withTerminal),
  privilege,
  ({ netHost }) => when(netHost, withHostNetwork),
  ({ annotation }) => [withAnnotations(parseAnnotations(annotation))],
  ({ capAdd }) => (capAdd.length === 0 ? [] : [withAddedCapabilities(capAdd)]),
  ({ capDrop }) => (capDrop.length === 0 ? [] : [withDroppedCapabilities(capDrop)]),
  seccomp,
  apparmor,
  cpu,
  ({ withNs }) => withNs.map(withNamespace),
  ({ allowNewPrivsGiven }) => when(allowNewPrivsGiven, withNewPrivileges),
  ({ run }) => (run?.cgroup === undefined ? [] : [withCgroup(run.cgroup)]),
  ({ memoryLimit }) => (memoryLimit === 0n ? [] : [withMemoryLimit(memoryLimit)]),
  devices,
  ({ rootfsPropagation }) => (rootfsPropagation === "" ? [] : [(spec) => withLinux(spec, { rootfsPropagation })]),
  blockIo,
  ({ rdtClass }) => (rdtClass === "" ? [] : [(spec) => withLinux(spec, { intelRdt: { closID: rdtClass } })]),
  ({ hostname }) => (hostname === "" ? [] : [(spec) => ({ ...spec, hostname })]),
  ({ run }) => (run && run.rlimitNofile !== "" ? [withOpenFileLimit(run.rlimitNofile)] : []),
  ({ label }) => [withAnnotations(label)],
];

/** The options that make the spec of `request`, in order. Throws where flags contradict each other or are malformed. */
export function specOptions(request: SpecRequest): readonly SpecOption[] {
  return steps.flatMap((step) => step(request));
}

function withRootPath(path: string): SpecOption {
  return (spec) => ({ ...spec, root: { ...spec.root, path } });
}

const withReadOnlyRoot: SpecOption = (spec) => ({
  ...spec,
  root: { ...spec.root, path: spec.root?.path ?? "rootfs", readonly: true },
});

/** TERM is appended even where the image sets one, as the Go tool does. */
const withTerminal: SpecOption = (spec) =>
  withProcess(spec, { terminal: true, env: [...(spec.process?.env ?? []), "TERM=xterm"] });

const withNewPrivileges: SpecOption = (spec) => {
  if (!spec.process) return spec;
  const { noNewPrivileges: _given, ...process } = spec.process;
  return { ...spec, process };
};

function withCgroup(path: string): SpecOption {
  return (spec): Spec => {
    const { cgroupsPath: _default, ...linux } = spec.linux ?? {};
    return { ...spec, linux: path === "" ? linux : { ...linux, cgroupsPath: path } };
  };
}

function withAnnotations(annotations: Readonly<Record<string, string>>): SpecOption {
  if (Object.keys(annotations).length === 0) return (spec) => spec;
  return (spec) => ({ ...spec, annotations: { ...spec.annotations, ...annotations } });
}

function parseAnnotations(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals < 0) throw refuse(`invalid key=value format annotation: ${text}`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

/** Mappings count only when both kinds are given. */
function idMappings({ uidmap, gidmap }: RunOnlyRequest): readonly SpecOption[] {
  if (uidmap.length === 0 || gidmap.length === 0) return [];
  return [withUserNamespace(uidmap.map(parseIdMapping), gidmap.map(parseIdMapping))];
}

function privilege({ privileged, run }: SpecRequest): readonly SpecOption[] {
  const withoutDevices = run?.privilegedWithoutHostDevices ?? false;
  if (withoutDevices && !privileged) {
    throw refuse("can't use 'privileged-without-host-devices' without 'privileged' specified");
  }
  return privileged ? privilegedOptions(!withoutDevices) : [];
}

function seccomp({ seccomp: wanted, seccompProfile }: SpecRequest): readonly SpecOption[] {
  if (!wanted && seccompProfile !== "") {
    throw refuse("seccomp must be set to true, if using a custom seccomp-profile", "add --seccomp");
  }
  if (!wanted) return [];
  return [seccompProfile === "" ? withDefaultSeccomp : withSeccompFile(seccompProfile)];
}

function apparmor({ apparmorDefaultProfile, apparmorProfile }: SpecRequest): readonly SpecOption[] {
  if (apparmorDefaultProfile !== "" && apparmorProfile !== "") {
    throw refuse("apparmor-profile conflicts with apparmor-default-profile");
  }
  if (apparmorDefaultProfile !== "") return [withDefaultAppArmor(apparmorDefaultProfile)];
  return apparmorProfile === "" ? [] : [withAppArmorProfile(apparmorProfile)];
}

function cpu({ cpuQuota, cpuPeriod, run }: SpecRequest): readonly SpecOption[] {
  const options: SpecOption[] = [];
  if (run && run.cpus > 0) {
    options.push(withCpu({ period: CPUS_PERIOD, quota: Math.trunc(run.cpus * CPUS_PERIOD) }));
  }
  if (run && run.cpusetCpus !== "") options.push(withCpu({ cpus: run.cpusetCpus }));
  if (run && run.cpusetMems !== "") options.push(withCpu({ mems: run.cpusetMems }));
  if (run && run.cpuShares > 0) options.push(withCpu({ shares: run.cpuShares }));
  if (cpuQuota !== -1n || cpuPeriod !== 0n) {
    if (run && run.cpus > 0) throw refuse("cpus and quota/period should be used separately");
    options.push(withCpu({ quota: cpuQuota, period: cpuPeriod }));
  }
  return options;
}

/** Paths first, then what vendors describe. */
function devices({ device, gpus }: SpecRequest): readonly SpecOption[] {
  const described = device.filter((text) => parseCdiName(text) !== undefined);
  const paths = device.filter((text) => !described.includes(text));
  const vendors: SpecOption = async (spec, context) => {
    const { withCdiDevices } = await import("./cdi/with-devices.ts");
    return withCdiDevices(described, gpus)(spec, context);
  };
  return [...paths.map(withDevice), ...when(described.length > 0 || gpus.length > 0, vendors)];
}

function blockIo({ blockioConfigFile, blockioClass }: SpecRequest): readonly SpecOption[] {
  if (blockioConfigFile === "" && blockioClass === "") return [];
  return [
    async (spec, context) => {
      const { withBlockIo } = await import("./block-io.ts");
      return withBlockIo(blockioConfigFile, blockioClass)(spec, context);
    },
  ];
}
