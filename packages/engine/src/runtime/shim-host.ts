import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

const CGROUP_ROOT = "/sys/fs/cgroup";
/** One cgroup for all shims of the machine: it is never removed, as a container's would be. */
const SHIM_CGROUP = "ctr-shims";
/** cgroup v1 hierarchies by which a service manager or CI runner ends or limits a job. */
const V1_HIERARCHIES = ["systemd", "pids", "memory", "freezer"];
/** What a shell has where nobody changed it. */
const USUAL_OPEN_FILES = 1024;

/** Files into which a shim's pid is written. Without the right to make the cgroup it stays in the caller's. */
export function shimCgroups(): readonly string[] {
  const v2 = existsSync(join(CGROUP_ROOT, "cgroup.procs"));
  const parents = v2 ? [CGROUP_ROOT] : V1_HIERARCHIES.map((name) => join(CGROUP_ROOT, name));
  return parents.filter((dir) => existsSync(dir)).flatMap((dir) => joinable(join(dir, SHIM_CGROUP)));
}

/**
 * Moves a shim that runs already, on threads of the pool: before a process changes cgroups the kernel waits for
 * everyone who may be forking, some 10 ms. Who changes one right after that need not wait again, runc for one. A shim that
 * is gone, or that we may not move, stays where it is.
 */
export async function moveToShimCgroups(pid: number): Promise<void> {
  for (const file of shimCgroups()) await writeFile(file, String(pid)).catch(() => undefined);
}

function joinable(dir: string): readonly string[] {
  try {
    mkdirSync(dir, { recursive: true });
    return [join(dir, "cgroup.procs")];
  } catch {
    // An unprivileged user, or a read-only cgroup tree inside a container.
    return [];
  }
}

/**
 * The soft limit of open files of whoever started this process: the runtime raises its own at start, and a container
 * that inherits a million loops over them all when it closes its files.
 */
export function callerOpenFiles(): number {
  try {
    const limits = readFileSync(`/proc/${process.ppid}/limits`, "latin1");
    const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
    return soft > 0 ? soft : USUAL_OPEN_FILES;
  } catch {
    // Another user's process, or gone.
    return USUAL_OPEN_FILES;
  }
}
