import { hasCode } from "@ctr/api";
import type { Cancel, Labels, Mount } from "@ctr/oci";
import { mountAll, type OwnerMappings, shiftOwners, unmount } from "@ctr/sys";
import type { RemoteSnapshotter } from "./snapshots.ts";

export interface RemapOptions extends Cancel {
  readonly mappings: OwnerMappings;
  readonly labels?: Labels | undefined;
}

/**
 * Prepares `key` on a copy of `parent` whose files belong to the ids outside a user namespace. The copy is a committed
 * snapshot of its own, made once per mapping; it is mounted here, so the client must be on the daemon's machine.
 */
export async function prepareRemapped(
  snapshots: RemoteSnapshotter,
  key: string,
  parent: string,
  { mappings, labels = {}, signal }: RemapOptions,
): Promise<readonly Mount[]> {
  const name = remappedName(parent, mappings);
  if (!(await exists(snapshots, name, signal))) await makeRemapped(snapshots, { name, parent, mappings, signal });
  return await snapshots.prepare(key, name, { signal, labels });
}

/** The Go tool's name for one range from 0; the ranges themselves where there are more. */
function remappedName(parent: string, { uid, gid }: OwnerMappings): string {
  const text = (ranges: OwnerMappings["uid"]) =>
    ranges.length === 1 && ranges[0]?.containerID === 0
      ? `${ranges[0].hostID}`
      : ranges.map(({ containerID, hostID, size }) => `${containerID}_${hostID}_${size}`).join(".");
  return `${parent}-${text(uid)}-${text(gid)}`;
}

async function exists(snapshots: RemoteSnapshotter, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await snapshots.stat(name, { signal });
    return true;
  } catch (error) {
    if (hasCode(error, "not_found")) return false;
    throw error;
  }
}

interface Remapping extends Cancel {
  readonly name: string;
  readonly parent: string;
  readonly mappings: OwnerMappings;
}

async function makeRemapped(
  snapshots: RemoteSnapshotter,
  { name, parent, mappings, signal }: Remapping,
): Promise<void> {
  const key = `${name}-remap`;
  const mounts = await snapshots.prepare(key, parent, { signal });
  try {
    await withMounted(mounts, (dir) => shiftOwners(dir, mappings));
    await snapshots.commit(name, key, { signal });
  } catch (error) {
    // Half-shifted, it is of no use; what failed is the error to see.
    await snapshots.remove(key, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    throw error;
  }
}

/** Mounts on a directory that only root can enter, for as long as `use` runs. */
async function withMounted(mounts: readonly Mount[], use: (dir: string) => void): Promise<void> {
  const { mkdtempSync, rmdirSync } = process.getBuiltinModule("node:fs");
  const dir = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/containerd-mount`);
  try {
    await mountAll(mounts, dir);
    try {
      use(dir);
    } finally {
      await unmount(dir);
    }
  } finally {
    rmdirSync(dir);
  }
}
