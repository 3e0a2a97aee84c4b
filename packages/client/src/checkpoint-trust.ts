import {
  ContainerdError,
  decodeAnyOf,
  encodeAnyOf,
  isJsonAny,
  type protobufAny,
  RUNC_OPTIONS,
  type runcOptions,
} from "@ctr/api";
import { parseSpec, restorableSpec, type Spec } from "@ctr/oci";
import type { ContainerRecord } from "./containers.ts";

/** What a checkpoint says of how its container runs. */
export type CheckpointedRun = Pick<ContainerRecord, "runtime" | "rawSpec">;

/** The same, as far as it is trusted. */
export interface TrustedRun extends CheckpointedRun {
  readonly spec: Spec | undefined;
  /** Annotations left out. */
  readonly dropped: readonly string[];
}

/** A checkpoint is an image, and images come from anywhere: whoever made it writes every byte of spec and options (R19). */
export function trustedRun(
  { runtime, rawSpec }: CheckpointedRun,
  names: { readonly namespace: string; readonly id: string },
): TrustedRun {
  const { spec, dropped, refused } = restorableSpec(readSpec(rawSpec), names);
  const options = trustedOptions(runtime.options);
  const faults = [...runtimeFaults(runtime.name), ...options.refused, ...refused];
  if (faults.length > 0) throw reachesOut(names.id, faults);
  return { runtime: { name: runtime.name, options: options.kept }, spec, rawSpec: undefined, dropped };
}

function readSpec(any: protobufAny.Any | undefined): Spec {
  if (any !== undefined && isJsonAny(any)) return parseSpec(any.value);
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot read the checkpoint's spec",
    why: `it is a ${any?.typeUrl || "nameless type"}`,
  });
}

/** A runtime may be named by a path, which would be run as root. */
function runtimeFaults(name: string): readonly string[] {
  return /^io\.containerd\.[a-z][a-z0-9-]*\.v[1-9]$/.test(name) ? [] : [`runtime ${name}`];
}

/** Looked for on the daemon's own PATH. */
const runcBinaries = ["", "runc", "crun"];

/** Options are written anew from what is known of them: older daemons act on fields that newer ones dropped. */
function trustedOptions(options: protobufAny.Any | undefined): {
  readonly kept: protobufAny.Any | undefined;
  readonly refused: readonly string[];
} {
  if (options === undefined || (options.typeUrl === "" && options.value.byteLength === 0)) {
    return { kept: undefined, refused: [] };
  }
  const runc = decodeAnyOf(RUNC_OPTIONS, options);
  if (runc === undefined) {
    return { kept: undefined, refused: options.value.byteLength === 0 ? [] : [`runtime options ${options.typeUrl}`] };
  }
  const { noPivotRoot, noNewKeyring, systemdCgroup, ioUid, ioGid, binaryName } = runc;
  const kept = encodeAnyOf(RUNC_OPTIONS, { noPivotRoot, noNewKeyring, systemdCgroup, ioUid, ioGid, binaryName });
  return { kept, refused: runcFaults(runc) };
}

function runcFaults(runc: runcOptions.Options): readonly string[] {
  const binary = runcBinaries.includes(runc.binaryName) ? [] : [`runc binary ${runc.binaryName}`];
  const { root, shimCgroup, criuImagePath, criuWorkPath, taskApiAddress } = runc;
  const places = Object.entries({ root, shimCgroup, criuImagePath, criuWorkPath, taskApiAddress });
  return [...binary, ...places.filter(([, path]) => path !== "").map(([key, path]) => `runc ${key} ${path}`)];
}

/** Shown in full up to here. */
const MAX_TOLD = 8;

function reachesOut(id: string, faults: readonly string[]): ContainerdError {
  const more = faults.length > MAX_TOLD ? [`and ${faults.length - MAX_TOLD} more`] : [];
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot restore checkpoint",
    where: { container: id },
    why: `it asks for more than a plain container has: ${[...faults.slice(0, MAX_TOLD), ...more].map(printable).join(", ")}`,
    fix: "where you made the checkpoint yourself, or trust who did, add --trust",
  });
}

/** A stranger's words must not drive the terminal. */
function printable(text: string): string {
  return text.slice(0, 200).replace(/\p{Cc}/gu, "?");
}
