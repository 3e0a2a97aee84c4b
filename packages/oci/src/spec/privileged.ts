import { withCurrentCapabilities } from "./capabilities.ts";
import { withAllDevicesAllowed, withHostDevices } from "./devices.ts";
import type { SpecOption } from "./option.ts";
import type { Spec } from "./types.ts";

/** `--privileged`, with or without the host's devices. noNewPrivileges stays. */
export function privilegedOptions(hostDevices: boolean): readonly SpecOption[] {
  return [withCurrentCapabilities, unconfined, ...(hostDevices ? [withAllDevicesAllowed, withHostDevices] : [])];
}

/** Nothing masked, nothing read-only, no label, no profile. */
const unconfined: SpecOption = (spec): Spec => {
  const { maskedPaths: _masked, readonlyPaths: _readonly, seccomp: _seccomp, ...linux } = spec.linux ?? {};
  const mounts = (spec.mounts ?? []).map((mount) =>
    mount.type === "sysfs" || mount.type === "cgroup"
      ? { ...mount, options: (mount.options ?? []).map((option) => (option === "ro" ? "rw" : option)) }
      : mount,
  );
  if (!spec.process) return { ...spec, mounts, linux };
  const { apparmorProfile: _profile, selinuxLabel: _label, ...process } = spec.process;
  return { ...spec, mounts, linux, process };
};
