import { callLibc, ErrnoError, hasLibc } from "./libc.ts";

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Several may hold a shared lock at once, nobody an exclusive one meanwhile. */
  readonly shared?: boolean;
}

/** A held file lock. Disposing lets go; so does the end of the process. Twice is harmless. */
export interface FileLock extends Disposable {
  readonly path: string;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
/** First and longest wait between tries, in milliseconds. */
const WAIT_MS = { first: 1, longest: 100 };

/** Takes the lock of a file, which is made if need be; undefined while somebody else holds it. Never waits. */
export function tryLock(path: string, options: { readonly shared?: boolean } = {}): FileLock | undefined {
  if (!hasLibc()) throw new ErrnoError("flock", 38, `${path}: needs Bun`);
  const { closeSync, openSync, constants } = process.getBuiltinModule("node:fs");
  // Opened close-on-exec, as everything here is: a child must not keep the lock.
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    callLibc("flock", [fd, (options.shared === true ? LOCK_SH : LOCK_EX) | LOCK_NB], path);
  } catch (error) {
    closeSync(fd);
    if (error instanceof ErrnoError && error.code === "EAGAIN") return undefined;
    throw error;
  }
  let held = true;
  return {
    path,
    [Symbol.dispose]() {
      if (held) closeSync(fd);
      held = false;
    },
  };
}

/** Waits for the lock without blocking the thread: a blocked thread could be the one that has to let go. */
export async function openLock(path: string, options: LockOptions): Promise<FileLock> {
  for (let waitMs = WAIT_MS.first; ; waitMs = Math.min(waitMs * 2, WAIT_MS.longest)) {
    options.signal.throwIfAborted();
    const lock = tryLock(path, options);
    if (lock !== undefined) return lock;
    await pause(waitMs, options.signal);
  }
}

/** Ends early when `signal` fires; the caller asks it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
