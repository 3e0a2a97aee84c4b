import { readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

const program = resolve(import.meta.dir, "../../packages/engine/src/testing/fake-shim.ts");

/** Writes a shim without containers, which has the sandbox API, and returns its path: what a runtime may be named by. */
export async function writeFakeShim(dir: string, form = "sandbox"): Promise<string> {
  const path = join(dir, "containerd-shim-fake-v1");
  const script = `#!/bin/sh\nFAKE_SHIM=${form} exec ${process.execPath} ${program} "$@"\n`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

/** The fake shims that run in bundles below a directory. The dead, which some hosts' first process leaves, have no command line. */
export async function fakeShimsIn(dir: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end between two looks; then it is none of them.
    const at = await readlink(`/proc/${name}/cwd`).catch(() => "");
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (at.startsWith(`${dir}/`) && line.includes("fake-shim.ts")) found.push(Number(name));
  }
  return found;
}

/** Ends those that a failed test left. */
export async function endFakeShims(dir: string): Promise<void> {
  for (const pid of await fakeShimsIn(dir)) process.kill(pid, "SIGKILL");
}
