import { readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import { runTool } from "./tool.ts";

interface Cancel {
  readonly signal: AbortSignal;
}

/**
 * Gives a file a loop device; `mountPoint` becomes a link to it. The mount that comes of it has the device as its source. Which
 * device that is only the link tells, so whoever takes it down needs nothing else.
 */
export async function attachLoop(mount: Mount, mountPoint: string, { signal }: Cancel): Promise<Mount> {
  const unknown = mount.options.find((option) => !["ro", "rw", "direct-io"].includes(option));
  if (unknown !== undefined) {
    const what = `cannot attach ${mount.source} to a loop device`;
    throw new ContainerdError({ code: "invalid_argument", what, why: `option ${unknown} is not known` });
  }
  const readOnly = mount.options.includes("ro") ? ["--read-only"] : [];
  const direct = mount.options.includes("direct-io") ? ["--direct-io=on"] : [];
  const argv = ["losetup", "--find", "--show", ...readOnly, ...direct, "--", mount.source];
  const device = (await runTool({ argv, signal })).trim();
  try {
    symlinkSync(device, mountPoint);
  } catch (error) {
    await runTool({ argv: ["losetup", "--detach", device], signal });
    throw error;
  }
  return { ...mount, source: device };
}

/** Lets go of the device that a link leads to, then of the link. */
export async function detachLoop(mountPoint: string, { signal }: Cancel): Promise<void> {
  const device = readlinkSync(mountPoint);
  // One that is in use goes when its last user does.
  if (/^\/dev\/loop\d+$/.test(device)) await runTool({ argv: ["losetup", "--detach", device], signal });
  unlinkSync(mountPoint);
}
