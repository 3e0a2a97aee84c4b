/** How long before the wait is gone through again. A grace period takes 8 ms and more, so the window is open all the time. */
const REFRESH_MS = 5;
/** Who takes longer to begin has more to wait for; and of many who begin at once, each keeps the window open for all. */
const LONGEST_MS = 100;

/**
 * Spares a process that is about to be started a wait of the kernel's. Before a process enters a cgroup, as each that runc
 * makes does, the kernel waits for everyone who may be in the middle of a fork, a grace period of 8 to 15 ms; who comes before
 * another such period is over goes through at once. So this goes through the wait beforehand, on a thread of the pool, by
 * moving this process to the cgroup that it is in, and again every few milliseconds until disposed of (a tenth of a second at most).
 * Where it may not, or there is no such wait, nothing is lost.
 *
 * Linux, `cgroup_threadgroup_rwsem`; cgroups(7) for the files.
 */
export function openCgroupWindow(): Disposable {
  const { close, openSync, readFileSync, write } = process.getBuiltinModule("node:fs");
  let fd: number;
  try {
    fd = openSync(ownProcsFile(readFileSync("/proc/self/cgroup", "latin1")), "w");
  } catch {
    // An ordinary user, or a tree that cannot be written to, or is not where it usually is.
    return { [Symbol.dispose]() {} };
  }
  const pid = Buffer.from(String(process.pid));
  const end = performance.now() + LONGEST_MS;
  let isOpen = true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const closed = () => undefined;
  const enter = () => {
    write(fd, pid, (error) => {
      if (isOpen && error === null && performance.now() < end) timer = setTimeout(enter, REFRESH_MS);
      else close(fd, closed);
    });
    timer = undefined;
  };
  enter();
  return {
    [Symbol.dispose]() {
      isOpen = false;
      if (timer === undefined) return;
      clearTimeout(timer);
      timer = undefined;
      close(fd, closed);
    },
  };
}

/** The file by which a process is moved to the cgroup that `memberships` (proc(5), `/proc/PID/cgroup`) names first. */
export function ownProcsFile(memberships: string): string {
  const [, controllers = "", ...path] = memberships.slice(0, memberships.indexOf("\n")).split(":");
  return `/sys/fs/cgroup/${controllers.replace("name=", "")}${path.join(":")}/cgroup.procs`;
}
