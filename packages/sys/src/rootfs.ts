import { callLibc, cString, ErrnoError, hasLibc } from "./libc.ts";

/** Largest file that is read out of an untrusted tree, in bytes: an /etc/passwd is far smaller. */
export const MAX_ROOTFS_FILE_BYTES = 16 * 1024 * 1024;

/** What stands at a path inside a root. */
export interface RootEntry {
  readonly kind: "file" | "directory" | "device" | "other";
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * A directory whose content is not trusted, looked at as if it were `/`: symbolic links, absolute ones and `..` end
 * inside it, whatever the tree holds and however it changes meanwhile. Opened by `openRoot`, ended by disposing.
 */
export interface Root extends AsyncDisposable {
  /** The bytes of a regular file. Throws `ErrnoError`: ENOENT, ENOTDIR, ELOOP, EISDIR, ENXIO for what is no file. */
  readFile(path: string): Promise<Uint8Array>;
  /** What is there, links followed. */
  stat(path: string): Promise<RootEntry>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<readonly string[]>;
  /** The path outside that `path` stands for. True only as long as nobody changes the tree. */
  resolve(path: string): Promise<string>;
}

/** Names the thing at `path` by a descriptor that cannot read it; the two ways to do so follow. */
export type RootOpener = (root: number, path: string) => number;

/** Opens `dir`, which itself is trusted. */
export async function openRoot(dir: string, open: RootOpener = bestOpener()): Promise<Root> {
  const { closeSync, openSync, constants } = process.getBuiltinModule("node:fs");
  const root = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  let disposed = false;
  const withEntry = <T>(path: string, use: (fd: number, path: string) => T): T => {
    const fd = open(root, path);
    try {
      return use(fd, path);
    } finally {
      closeSync(fd);
    }
  };
  return {
    readFile: async (path) => withEntry(path, readRegular),
    stat: async (path) => withEntry(path, statEntry),
    list: async (path) => withEntry(path, listDirectory),
    resolve: async (path) => withEntry(path, (fd) => readlink(`/proc/self/fd/${fd}`) ?? dir),
    async [Symbol.asyncDispose]() {
      if (!disposed) closeSync(root);
      disposed = true;
    },
  };
}

/** openat2 is number 437 on every architecture. */
const SYS_OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const OPEN_HOW_BYTES = 24;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** Links followed before a path counts as a loop; the kernel's number. */
const MAX_LINKS = 40;
/** openat2 answers EAGAIN when a rename raced with `..`; tried again so often. */
const RACE_TRIES = 128;

let kernelHasOpenat2: boolean | undefined;

function bestOpener(): RootOpener {
  kernelHasOpenat2 ??= hasLibc() && probeOpenat2();
  return kernelHasOpenat2 ? openByKernel : openByWalking;
}

function probeOpenat2(): boolean {
  const { closeSync, openSync, constants } = process.getBuiltinModule("node:fs");
  const root = openSync("/", constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    closeSync(openByKernel(root, "."));
    return true;
  } catch (error) {
    // Before Linux 5.6, or forbidden by a seccomp profile.
    if (error instanceof ErrnoError && ["ENOSYS", "EPERM", "EINVAL"].includes(error.code)) return false;
    throw error;
  } finally {
    closeSync(root);
  }
}

/** The kernel resolves the whole path inside the root. openat2(2). */
export function openByKernel(root: number, path: string): number {
  const how = new DataView(new ArrayBuffer(OPEN_HOW_BYTES));
  how.setBigUint64(0, BigInt(O_PATH | O_CLOEXEC), true);
  how.setBigUint64(16, BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), true);
  const args = [SYS_OPENAT2, root, cString(path), new Uint8Array(how.buffer), OPEN_HOW_BYTES] as const;
  for (let attempt = 1; ; attempt++) {
    try {
      return callLibc("syscall", args);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      const raced = error.code === "EAGAIN" || error.code === "EINTR";
      if (!raced || attempt === RACE_TRIES) throw new ErrnoError("openat2", error.errno, path);
    }
  }
}

/**
 * The same by hand: one component at a time, each opened without following a link and relative to the descriptor of
 * its parent, so that nothing swapped in meanwhile can lead outside. `/proc/self/fd` stands in for openat.
 */
export function openByWalking(root: number, path: string): number {
  const walk = new Walk(root, path);
  try {
    return walk.open();
  } finally {
    walk.close();
  }
}

class Walk {
  readonly #root: number;
  readonly #path: string;
  /** Open directories from below the root down to here. */
  readonly #stack: number[] = [];
  #links = 0;

  constructor(root: number, path: string) {
    this.#root = root;
    this.#path = path;
  }

  open(): number {
    const todo = components(this.#path).reverse();
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === "..") {
        this.#leave();
        continue;
      }
      const found = this.#enter(name);
      if (found.kind === "link") {
        if (found.target.startsWith("/")) this.close();
        todo.push(...components(found.target).reverse());
      } else {
        this.#stack.push(found.fd);
      }
    }
    return this.#stack.pop() ?? this.#openHere(".");
  }

  close(): void {
    while (this.#stack.length > 0) this.#leave();
  }

  /** `..` at the top stays at the top. */
  #leave(): void {
    const fd = this.#stack.pop();
    if (fd !== undefined) process.getBuiltinModule("node:fs").closeSync(fd);
  }

  /** What `name` is: a link's text, or a descriptor of anything else. */
  #enter(
    name: string,
  ): { readonly kind: "link"; readonly target: string } | { readonly kind: "entry"; readonly fd: number } {
    const { closeSync, fstatSync } = process.getBuiltinModule("node:fs");
    // A tree that swaps links in under the walk costs itself a step each time, and runs out of them.
    for (; this.#links < MAX_LINKS; this.#links++) {
      const target = readlink(this.#at(name));
      if (target !== undefined) {
        this.#links += 1;
        return { kind: "link", target };
      }
      const fd = this.#openHere(name);
      if (!fstatSync(fd).isSymbolicLink()) return { kind: "entry", fd };
      closeSync(fd);
    }
    throw new ErrnoError("open", 40, this.#path);
  }

  #openHere(name: string): number {
    const { openSync, constants } = process.getBuiltinModule("node:fs");
    try {
      return openSync(this.#at(name), O_PATH | constants.O_NOFOLLOW | O_CLOEXEC);
    } catch (error) {
      throw new ErrnoError("open", errnoOf(error), this.#path);
    }
  }

  #at(name: string): string {
    return `/proc/self/fd/${this.#stack.at(-1) ?? this.#root}/${name}`;
  }
}

function components(path: string): string[] {
  if (path.includes("\0")) throw new ErrnoError("open", 22, "NUL in path");
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

/** A link's text; undefined for anything else, also for what is not there: opening it says why. */
function readlink(path: string): string | undefined {
  try {
    return process.getBuiltinModule("node:fs").readlinkSync(path);
  } catch {
    return undefined;
  }
}

function errnoOf(error: unknown): number {
  return error instanceof Error && "errno" in error ? Math.abs(Number(error.errno)) : 5;
}

/** Only a regular file is opened for reading: opening a device or a FIFO does things. */
function readRegular(fd: number, path: string): Uint8Array {
  const { closeSync, fstatSync, openSync, readFileSync, constants } = process.getBuiltinModule("node:fs");
  const stats = fstatSync(fd);
  if (stats.isDirectory()) throw new ErrnoError("read", 21, path);
  if (!stats.isFile()) throw new ErrnoError("read", 22, path);
  if (stats.size > MAX_ROOTFS_FILE_BYTES) throw new ErrnoError("read", 12, path);
  const file = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY);
  try {
    return new Uint8Array(readFileSync(file));
  } finally {
    closeSync(file);
  }
}

function statEntry(fd: number): RootEntry {
  const stats = process.getBuiltinModule("node:fs").fstatSync(fd);
  const device = stats.isBlockDevice() || stats.isCharacterDevice();
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : device ? "device" : "other";
  return { kind, size: stats.size, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
}

function listDirectory(fd: number, path: string): readonly string[] {
  try {
    return process.getBuiltinModule("node:fs").readdirSync(`/proc/self/fd/${fd}`).sort();
  } catch (error) {
    throw new ErrnoError("readdir", errnoOf(error), path);
  }
}
