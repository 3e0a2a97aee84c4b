import { isJsonObject, type JsonObject } from "../json-reader.ts";
import { defaultCapabilities, defaultDeviceRules, defaultSpec } from "./default-spec.ts";
import type { Spec } from "./types.ts";

/** What of a spec that came out of an image may be run. */
export interface RestorableSpec {
  /** Without annotations, and with a cgroup of its own. */
  readonly spec: Spec;
  /** Annotations left out: engines and devices act on them (R19). */
  readonly dropped: readonly string[];
  /** What reaches past the container, in words; the spec must not be run unless this is empty. */
  readonly refused: readonly string[];
}

/**
 * Judges a spec that somebody else may have written, by an allow-list: what `run` gives a container that asked for
 * nothing of the host. A member that is not known here is refused, too (R19).
 */
export function restorableSpec(read: Spec, names: { readonly namespace: string; readonly id: string }): RestorableSpec {
  const { annotations, ...rest } = read;
  const usual = defaultSpec(names);
  const refused = [
    ...unknown(rest, "", ["ociVersion", "process", "root", "hostname", "mounts", "linux"]),
    ...processFaults(objectOf(rest.process)),
    ...rootFaults(objectOf(rest.root)),
    ...listOf(rest.mounts).flatMap(mountFaults),
    ...linuxFaults(objectOf(rest.linux), usual),
  ];
  const spec = { ...rest, linux: { ...rest.linux, cgroupsPath: usual.linux?.cgroupsPath ?? "" } };
  return { spec, dropped: Object.keys(objectOf(annotations)), refused };
}

const processMembers = [
  ...["terminal", "consoleSize", "user", "args", "env", "cwd"],
  ...["capabilities", "rlimits", "noNewPrivileges", "apparmorProfile"],
];

function processFaults(process: JsonObject): readonly string[] {
  const given = new Set(Object.values(objectOf(process["capabilities"])).flatMap(listOf).map(String));
  const beyond = [...given].filter((name) => !defaultCapabilities.includes(name));
  return [...unknown(process, "process.", processMembers), ...beyond.map((name) => `capability ${name}`)];
}

function rootFaults(root: JsonObject): readonly string[] {
  const path = root["path"] ?? "rootfs";
  return path === "rootfs" ? unknown(root, "root.", ["path", "readonly"]) : [`root filesystem ${String(path)}`];
}

/** Kinds of file systems that show nothing of the host's; those that would must be read-only. */
const mountTypes: Readonly<Record<string, "any" | "readonly">> = {
  proc: "any",
  tmpfs: "any",
  devpts: "any",
  mqueue: "any",
  sysfs: "readonly",
  cgroup: "readonly",
};

function mountFaults(value: unknown): readonly string[] {
  const mount = objectOf(value);
  const options = listOf(mount["options"]).map(String);
  const [type, destination] = [String(mount["type"] ?? ""), String(mount["destination"] ?? "")];
  const kind = Object.hasOwn(mountTypes, type) ? mountTypes[type] : undefined;
  const sharing = options.find((option) => /bind$|shared$|slave$/.test(option));
  if (kind === undefined || sharing !== undefined) return [`mount of ${String(mount["source"])} on ${destination}`];
  if (kind === "readonly" && !options.includes("ro")) return [`writable ${type} on ${destination}`];
  return unknown(mount, `mount ${destination}: `, ["destination", "type", "source", "options"]);
}

const linuxMembers = [
  ...["uidMappings", "gidMappings", "resources", "cgroupsPath", "namespaces", "seccomp"],
  ...["rootfsPropagation", "maskedPaths", "readonlyPaths"],
];

/** The one that containerd has hidden only since 2.x; checkpoints of before lack it. */
const HIDDEN_LATELY = "/sys/devices/virtual/powercap";

function linuxFaults(linux: JsonObject, { linux: usual }: Spec): readonly string[] {
  const propagation = String(linux["rootfsPropagation"] ?? "");
  const shown = lacking(linux["maskedPaths"], usual?.maskedPaths).filter((path) => path !== HIDDEN_LATELY);
  return [
    ...unknown(linux, "linux.", linuxMembers),
    ...namespaceFaults(listOf(linux["namespaces"]).map(objectOf), usual),
    ...resourceFaults(objectOf(linux["resources"])),
    ...unknown(objectOf(linux["seccomp"]), "linux.seccomp.", [
      ...["defaultAction", "defaultErrnoRet", "architectures", "flags", "syscalls"],
    ]),
    ...(["", "private", "rprivate"].includes(propagation) ? [] : [`${propagation} root filesystem`]),
    ...shown.map((path) => `unmasked ${path}`),
    ...lacking(linux["readonlyPaths"], usual?.readonlyPaths).map((path) => `writable ${path}`),
  ];
}

function namespaceFaults(namespaces: readonly JsonObject[], usual: Spec["linux"]): readonly string[] {
  const joined = namespaces.filter(({ path }) => (path ?? "") !== "");
  const own = namespaces.map(({ type }) => type);
  const hosts = (usual?.namespaces ?? []).filter(({ type }) => !own.includes(type));
  return [
    ...namespaces.flatMap((namespace) => unknown(namespace, "namespace ", ["type", "path"])),
    ...joined.map(({ type, path }) => `${String(type)} namespace ${String(path)}`),
    ...hosts.map(({ type }) => `the host's ${type} namespace`),
  ];
}

function resourceFaults(resources: JsonObject): readonly string[] {
  const devices = listOf(resources["devices"]).map(objectOf);
  const allowed = devices.filter(({ allow }) => allow !== false).filter((rule) => !isUsualDevice(rule));
  return [
    ...unknown(resources, "linux.resources.", ["devices", "memory", "cpu", "pids"]),
    // Go takes a member whatever its case: one that is spelled anew would count over the one that was read here.
    ...devices.flatMap((rule) => unknown(rule, "device rule ", ["allow", "type", "major", "minor", "access"])),
    ...allowed.map(
      ({ type, major, minor }) => `device ${[type ?? "a", major ?? "*", minor ?? "*"].map(String).join(" ")}`,
    ),
  ];
}

function isUsualDevice({ type, major, minor }: JsonObject): boolean {
  return defaultDeviceRules.some((rule) => rule.type === type && rule.major === major && rule.minor === minor);
}

/** Members that the list does not name and that say something. */
function unknown(object: JsonObject, path: string, known: readonly string[]): readonly string[] {
  const said = Object.keys(object).filter((key) => !known.includes(key) && !isEmpty(object[key]));
  return said.map((key) => `${path}${key}`);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isJsonObject(value)) return Object.values(value).every(isEmpty);
  return value === undefined || value === null || value === "" || value === false || value === 0;
}

function lacking(given: unknown, wanted: readonly string[] = []): readonly string[] {
  return wanted.filter((path) => !listOf(given).includes(path));
}

/** What is of another kind than expected counts as empty where nothing is asked of it; runc refuses such a spec. */
function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
