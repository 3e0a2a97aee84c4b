import { refuse, type SpecOption } from "../option.ts";
import { withCdiEdits } from "./apply-edits.ts";
import { type CdiEdits, joinEdits, noEdits } from "./edits.ts";
import { type CdiOptions, type CdiRegistry, openCdiRegistry } from "./registry.ts";
import type { CdiSpecFile } from "./spec-file.ts";

/** Vendors whose devices `--gpus` numbers, in this order. */
const gpuVendors = ["nvidia.com", "amd.com"];

/** Devices by full name, and GPUs by number: those of the vendor that this machine has descriptions of. */
export function withCdiDevices(
  names: readonly string[],
  gpus: readonly number[],
  options: CdiOptions = {},
): SpecOption {
  return async (spec, context) => {
    const registry = await openCdiRegistry(context.host, options);
    const all = [...names, ...gpuNames(registry, gpus)];
    const missing = all.filter((name) => registry.find(name) === undefined);
    if (missing.length > 0) throw unresolvable(missing, registry);
    try {
      return await withCdiEdits(editsOf(registry, all))(spec, context);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw refuse(`CDI device injection failed: failed to inject devices: ${why}`);
    }
  };
}

/** Of each file first what all its devices need, then what each one does. */
function editsOf(registry: CdiRegistry, names: readonly string[]): CdiEdits {
  const files = new Set<CdiSpecFile>();
  let edits = noEdits;
  for (const found of names.map((name) => registry.find(name))) {
    if (found === undefined) continue;
    if (!files.has(found.file)) edits = joinEdits(edits, found.file.edits);
    files.add(found.file);
    edits = joinEdits(edits, found.edits);
  }
  return edits;
}

function gpuNames({ vendors, faults }: CdiRegistry, gpus: readonly number[]): readonly string[] {
  if (gpus.length === 0) return [];
  const vendor = gpuVendors.find((known) => vendors.has(known));
  if (vendor !== undefined) return gpus.map((number) => `${vendor}/gpu=${number}`);
  throw refuse(
    "detect GPU vendor failed: no known GPU vendor detected in CDI specs, only AMD and NVIDIA are supported",
    faults[0]?.message ?? "describe the GPUs first: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
  );
}

function unresolvable(missing: readonly string[], { faults }: CdiRegistry) {
  const hint = faults[0]?.message ?? "devices are described by files of /etc/cdi and /var/run/cdi";
  return refuse(`CDI device injection failed: unresolvable CDI devices ${missing.join(", ")}`, hint);
}
