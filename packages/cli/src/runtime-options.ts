import { type AnyType, encodeAnyOf, type protobufAny, RUNC_OPTIONS, runtimeOptionsV1 } from "@ctr/api";
import { fail } from "./errors.ts";

const RUNC = "io.containerd.runc.v2";

const FILE_OPTIONS: AnyType<"runtimeoptions.v1.Options"> = {
  typeUrl: "runtimeoptions.v1.Options",
  codec: runtimeOptionsV1.Options,
};

/** Flags that a runtime, not the spec, is told. */
export interface RuntimeFlags {
  readonly runtime: string;
  readonly runtimeConfigPath: string;
  readonly runcBinary: string;
  readonly runcRoot: string;
  readonly runcSystemdCgroup: boolean;
}

/** The options stored with a container: runc always has some, another runtime only a configuration file. */
export function runtimeOptions(flags: RuntimeFlags, cgroup: string | undefined): protobufAny.Any | undefined {
  if (flags.runcSystemdCgroup && !cgroup) {
    throw fail('option --runc-systemd-cgroup requires --cgroup to be set, e.g. "machine.slice:foo:deadbeef"');
  }
  if (flags.runtime === RUNC) {
    const { runcBinary, runcRoot, runcSystemdCgroup } = flags;
    return encodeAnyOf(RUNC_OPTIONS, {
      binaryName: runcBinary,
      root: runcRoot,
      systemdCgroup: runcSystemdCgroup,
    });
  }
  if (flags.runtimeConfigPath === "") return undefined;
  return encodeAnyOf(FILE_OPTIONS, { configPath: flags.runtimeConfigPath });
}

export interface TaskFlags {
  readonly noPivot?: boolean;
  /** First host ids of a user namespace, who own the process's streams. */
  readonly ioUid?: number | undefined;
  readonly ioGid?: number | undefined;
}

/** The options of one task; undefined where nothing is asked. */
export function taskOptions(runtime: string, flags: TaskFlags): protobufAny.Any | undefined {
  const { noPivot = false, ioUid = 0, ioGid = 0 } = flags;
  if (runtime !== RUNC || (!noPivot && ioUid === 0 && ioGid === 0)) return undefined;
  return encodeAnyOf(RUNC_OPTIONS, { noPivotRoot: noPivot, ioUid, ioGid });
}
