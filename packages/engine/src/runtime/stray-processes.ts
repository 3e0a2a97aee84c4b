import { readdirSync, readlinkSync, realpathSync } from "node:fs";

/** Rounds of killing before it is given up; a process needs one, or two when it was just starting another. */
const MAX_ROUNDS = 100;
const PAUSE_MS = 5;

/**
 * Kills what runs with `dir` as its current directory, and returns once nothing does. A shim, and whatever starts it,
 * run in their bundle: so a shim is found whose starter's starter was killed before it learnt the address.
 */
export async function killProcessesIn(dir: string): Promise<void> {
  const real = realPath(dir);
  if (real === undefined) return;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pids = processesIn(real);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Waits until a process that is ending, and runs in `dir`, is gone, for `timeoutMs` at most: its connections close while
 * it still is there to be seen. False when it stays. A pid that is another process's by now runs elsewhere.
 */
export async function leaves(pid: number, dir: string, timeoutMs: number): Promise<boolean> {
  const real = realPath(dir);
  const deadline = performance.now() + timeoutMs;
  while (real !== undefined && runsIn(pid, real)) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return true;
}

function processesIn(dir: string): readonly number[] {
  const pids = readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid);
  return pids.filter((pid) => runsIn(pid, dir));
}

function runsIn(pid: number, dir: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === dir;
  } catch {
    // Gone, or another user's: neither is a shim of ours.
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone meanwhile, which is what was wanted.
  }
}

function realPath(dir: string): string | undefined {
  try {
    return realpathSync(dir);
  } catch {
    // There is no such directory, so nothing runs in it.
    return undefined;
  }
}
