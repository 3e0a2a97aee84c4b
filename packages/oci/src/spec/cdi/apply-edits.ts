import { mergeEnv } from "../env.ts";
import { refuse, type SpecHost, type SpecOption, withLinux, withProcess } from "../option.ts";
import type { Spec, SpecDevice, SpecHooks, SpecMount } from "../types.ts";
import type { CdiDeviceNode, CdiEdits, CdiHook, CdiIntelRdt, CdiMount } from "./edits.ts";

/** Makes the edits, in the order in which the CDI library makes them. */
export function withCdiEdits(edits: CdiEdits): SpecOption {
  return async (before, { host }) => {
    let spec = before;
    for (const entry of edits.env) spec = withProcess(spec, { env: mergeEnv(spec.process?.env ?? [], [entry]) });
    for (const node of edits.deviceNodes) spec = withDeviceNode(spec, node, await filledFromHost(node, host));
    for (const { hostInterfaceName, name } of edits.netDevices) {
      spec = withLinux(spec, { netDevices: { ...spec.linux?.netDevices, [hostInterfaceName]: { name } } });
    }
    if (edits.mounts.length > 0) spec = withCdiMounts(spec, edits.mounts);
    for (const hook of edits.hooks) spec = withHook(spec, hook);
    if (edits.intelRdt) spec = withLinux(spec, { intelRdt: rdtOf(edits.intelRdt) });
    return withGroups(spec, edits.additionalGids);
  };
}

type NodeFacts = Pick<CdiDeviceNode, "type" | "major" | "minor" | "fileMode">;

/** A description may leave to the host what the host knows; one that says enough needs no node there. */
async function filledFromHost(node: CdiDeviceNode, host: SpecHost): Promise<NodeFacts> {
  const path = node.hostPath || node.path;
  const { type, major, minor, fileMode } = node;
  const isComplete = type !== "" && (major !== 0 || type === "p");
  const entry = await host.stat(path).catch((error: unknown) => {
    if (isComplete) return undefined;
    throw refuseDevice(path, error instanceof Error ? error.message : String(error));
  });
  if (entry?.kind !== "device") {
    if (isComplete) return { type, major, minor, fileMode };
    throw refuseDevice(path, "not a device node");
  }
  const { device } = entry;
  const mode = fileMode ?? device.mode;
  if (isComplete) return { type, major, minor, fileMode: mode };
  if (type !== "" && type !== device.type) {
    throw refuse(`CDI device ("${node.path}", "${path}"), host type mismatch (${type}, ${device.type})`);
  }
  const own = device.type === "p" || major !== 0;
  return { type: device.type, fileMode: mode, major: own ? major : device.major, minor: own ? minor : device.minor };
}

function refuseDevice(path: string, why: string) {
  return refuse(`failed to stat CDI host device "${path}": ${why}`);
}

function withDeviceNode(spec: Spec, node: CdiDeviceNode, { type, major, minor, fileMode }: NodeFacts): Spec {
  // Whoever the process runs as is to be able to use it.
  const uid = node.uid ?? (spec.process?.user.uid || undefined);
  const gid = node.gid ?? (spec.process?.user.gid || undefined);
  const device: SpecDevice = {
    path: node.path,
    type,
    major,
    minor,
    ...(fileMode === undefined ? {} : { fileMode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
  const devices = [...(spec.linux?.devices ?? []).filter(({ path }) => path !== node.path), device];
  if (type !== "b" && type !== "c") return withLinux(spec, { devices });
  const access = node.permissions === "none" ? {} : { access: node.permissions || "rwm" };
  const rules = [...(spec.linux?.resources?.devices ?? []), { allow: true, type, major, minor, ...access }];
  return withLinux(spec, { devices, resources: { ...spec.linux?.resources, devices: rules } });
}

/** One in the place of another replaces it; then those nearer to the root come first, as they would hide the others. */
function withCdiMounts(spec: Spec, added: readonly CdiMount[]): Spec {
  const hasUsers = spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false;
  let mounts = spec.mounts ?? [];
  for (const mount of added) {
    const replaced = mounts.findIndex(({ destination }) => destination === mount.containerPath);
    mounts = [...mounts.filter((_mount, index) => index !== replaced), toSpecMount(mount, hasUsers)];
  }
  return { ...spec, mounts: mounts.toSorted((a, b) => depthOf(a) - depthOf(b)) };
}

function toSpecMount({ hostPath, containerPath, type, options }: CdiMount, mapped: boolean): SpecMount {
  const all = mapped ? [...options, ...mappedBind(type, options)] : options;
  return {
    destination: containerPath,
    ...(type === "" ? {} : { type }),
    source: hostPath,
    ...(all.length === 0 ? {} : { options: all }),
  };
}

/** In a user namespace a bound file keeps its owner only when its ids are mapped. */
function mappedBind(type: string, options: readonly string[]): readonly string[] {
  if (options.includes("idmap") || options.includes("ridmap")) return [];
  if (options.includes("rbind")) return ["ridmap"];
  return type === "bind" || options.includes("bind") ? ["idmap"] : [];
}

function depthOf({ destination }: SpecMount): number {
  return destination.split("/").filter((part) => part !== "" && part !== ".").length;
}

function withHook(spec: Spec, { hookName, path, args, env, timeout }: CdiHook): Spec {
  const hook = {
    path,
    ...(args.length === 0 ? {} : { args }),
    ...(env.length === 0 ? {} : { env }),
    ...(timeout === undefined ? {} : { timeout }),
  };
  const hooks: SpecHooks = { ...spec.hooks, [hookName]: [...(spec.hooks?.[hookName] ?? []), hook] };
  return { ...spec, hooks };
}

function rdtOf({ closID, l3CacheSchema, memBwSchema, schemata, enableMonitoring }: CdiIntelRdt) {
  return {
    ...(closID === "" ? {} : { closID }),
    ...(schemata.length === 0 ? {} : { schemata }),
    ...(l3CacheSchema === "" ? {} : { l3CacheSchema }),
    ...(memBwSchema === "" ? {} : { memBwSchema }),
    ...(enableMonitoring ? { enableMonitoring } : {}),
  };
}

function withGroups(spec: Spec, gids: readonly number[]): Spec {
  const user = spec.process?.user ?? { uid: 0, gid: 0 };
  const added = new Set([...(user.additionalGids ?? []), ...gids.filter((gid) => gid !== 0)]);
  return gids.length === 0 ? spec : withProcess(spec, { user: { ...user, additionalGids: [...added] } });
}
