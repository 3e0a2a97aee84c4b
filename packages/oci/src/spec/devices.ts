import { defaultDeviceRules } from "./default-spec.ts";
import {
  type DeviceNode,
  refuse,
  type SpecContext,
  type SpecHost,
  type SpecOption,
  withLinux,
  withResources,
} from "./option.ts";
import type { SpecDevice } from "./types.ts";

/** Names under /dev that a container gets of its own, or never. */
const skippedNames: readonly string[] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];

/** Rules for the devices the default mounts make. */
export const withDefaultDevices: SpecOption = (spec) =>
  withResources(spec, { devices: [...(spec.linux?.resources?.devices ?? []), ...defaultDeviceRules] });

/** `--device`: a node, or all nodes below a directory. */
export function withDevice(path: string): SpecOption {
  return async (spec, context) => {
    const devices = await deviceNodes(path, context);
    const rules = devices.map(({ type, major, minor }) => ({ allow: true, type, major, minor, access: "rwm" }));
    const resources = { ...spec.linux?.resources, devices: [...(spec.linux?.resources?.devices ?? []), ...rules] };
    return withLinux(spec, { resources, devices: [...(spec.linux?.devices ?? []), ...devices] });
  };
}

async function deviceNodes(path: string, { host }: SpecContext): Promise<readonly SpecDevice[]> {
  let entry: Awaited<ReturnType<SpecHost["stat"]>>;
  try {
    entry = await host.stat(path);
  } catch (error) {
    throw refuse(`error stating device path: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (entry.kind === "device") return [toDevice(path, entry.device)];
  if (entry.kind === "directory") return walk(path, entry.names, host);
  throw refuse(`get device path: "${path}" containerPath: "" error: not a device node`);
}

/** `--privileged`: every node under /dev. */
export const withHostDevices: SpecOption = async (spec, { host }) => {
  const entry = await host.stat("/dev");
  const devices = entry.kind === "directory" ? await walk("/dev", entry.names, host) : [];
  return withLinux(spec, { devices: [...(spec.linux?.devices ?? []), ...devices] });
};

/** `--privileged`: no device is refused. */
export const withAllDevicesAllowed: SpecOption = (spec) =>
  withResources(spec, { devices: [{ allow: true, access: "rwm" }] });

async function walk(path: string, names: readonly string[], host: SpecHost): Promise<readonly SpecDevice[]> {
  const found: SpecDevice[] = [];
  for (const name of names) {
    if (skippedNames.includes(name) || name === "console") continue;
    const below = `${path.replace(/\/$/, "")}/${name}`;
    // A node may vanish between listing and asking.
    const entry = await host.stat(below).catch(() => undefined);
    if (entry?.kind === "directory") found.push(...(await walk(below, entry.names, host)));
    if (entry?.kind === "device" && entry.device.type !== "p") found.push(toDevice(below, entry.device));
  }
  return found;
}

function toDevice(path: string, node: DeviceNode): SpecDevice {
  const { type, major, minor, mode, uid, gid } = node;
  return { path, type, major, minor, fileMode: mode, uid, gid };
}
