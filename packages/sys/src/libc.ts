/** A call into libc that failed: what the kernel said, by number and by name. */
export class ErrnoError extends Error {
  readonly errno: number;
  /** `ENOENT`, …; `E<number>` for one without a name here. */
  readonly code: string;
  /** The call, such as `mount`. */
  readonly syscall: string;

  constructor(syscall: string, errno: number, detail = "") {
    const name = errnoName(errno);
    const words = errnoWords[name] ?? name;
    super(`${syscall}${detail === "" ? "" : ` ${detail}`}: ${words}`);
    this.name = "ErrnoError";
    this.errno = errno;
    this.code = name;
    this.syscall = syscall;
  }
}

/** Linux numbers that x86-64 and arm64 share, and the words of strerror as Go prints them. */
const errnos: readonly (readonly [number, string, string])[] = [
  [1, "EPERM", "operation not permitted"],
  [2, "ENOENT", "no such file or directory"],
  [4, "EINTR", "interrupted system call"],
  [5, "EIO", "input/output error"],
  [6, "ENXIO", "no such device or address"],
  [9, "EBADF", "bad file descriptor"],
  [11, "EAGAIN", "resource temporarily unavailable"],
  [12, "ENOMEM", "cannot allocate memory"],
  [13, "EACCES", "permission denied"],
  [15, "ENOTBLK", "block device required"],
  [16, "EBUSY", "device or resource busy"],
  [17, "EEXIST", "file exists"],
  [18, "EXDEV", "invalid cross-device link"],
  [19, "ENODEV", "no such device"],
  [20, "ENOTDIR", "not a directory"],
  [21, "EISDIR", "is a directory"],
  [22, "EINVAL", "invalid argument"],
  [24, "EMFILE", "too many open files"],
  [25, "ENOTTY", "inappropriate ioctl for device"],
  [27, "EFBIG", "file too large"],
  [28, "ENOSPC", "no space left on device"],
  [30, "EROFS", "read-only file system"],
  [31, "EMLINK", "too many links"],
  [36, "ENAMETOOLONG", "file name too long"],
  [38, "ENOSYS", "function not implemented"],
  [39, "ENOTEMPTY", "directory not empty"],
  [40, "ELOOP", "too many levels of symbolic links"],
  [61, "ENODATA", "no data available"],
  [95, "EOPNOTSUPP", "operation not supported"],
  [122, "EDQUOT", "disk quota exceeded"],
];

const errnoWords: Readonly<Record<string, string>> = Object.fromEntries(errnos.map(([, name, words]) => [name, words]));

function errnoName(errno: number): string {
  return errnos.find(([number]) => number === errno)?.[1] ?? `E${errno}`;
}

/**
 * The part of `bun:ffi` that is used, typed so that nothing here imports it. The runtime has it as `Bun.FFI`, too, without the
 * JavaScript around it, which takes half a millisecond to load and is not needed by who hands in addresses.
 */
interface Ffi {
  dlopen(
    path: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): { symbols: Record<string, (...args: unknown[]) => unknown> };
  /** The address of bytes, which stay where they are for as long as somebody holds them. */
  ptr(bytes: Uint8Array): number;
  readonly read: { i32(pointer: unknown, offset: number): number };
}

/** libc's calls by name; every one returns a number, -1 on failure. */
const signatures = {
  mkfifo: ["ptr", "u32"],
  mount: ["ptr", "ptr", "ptr", "u64", "ptr"],
  umount2: ["ptr", "i32"],
  flock: ["i32", "i32"],
  syncfs: ["i32"],
  sync_file_range: ["i32", "i64", "i64", "u32"],
  socket: ["i32", "i32", "i32"],
  bind: ["i32", "ptr", "u32"],
  listen: ["i32", "i32"],
  ioctl: ["i32", "u64", "ptr"],
  tcgetattr: ["i32", "ptr"],
  tcsetattr: ["i32", "i32", "ptr"],
  syscall: ["i64", "i64", "ptr", "ptr", "u64"],
} as const;

export type LibcCall = keyof typeof signatures;
export type LibcArgument = number | bigint | Uint8Array | null;

interface Libc {
  readonly ptr: Ffi["ptr"];
  readonly symbols: Record<string, (...args: unknown[]) => unknown>;
  errno(): number;
}

let opened: Libc | null | undefined;

/** Whether libc can be called from here: on Bun yes, on Node never. */
export function hasLibc(): boolean {
  return openLibc() !== null;
}

/**
 * Calls libc and returns what it returned, or throws `ErrnoError` when that is -1. Blocks the thread. Text arguments are
 * bytes that end in NUL: see `cString`.
 */
export function callLibc(name: LibcCall, args: readonly LibcArgument[], detail = ""): number {
  const libc = openLibc();
  if (libc === null) throw new Error(`${name} needs Bun: Node has no way to call libc`);
  const values = args.map((value) => (value instanceof Uint8Array ? libc.ptr(value) : value));
  const result = Number(libc.symbols[name]?.(...values));
  if (result === -1) throw new ErrnoError(name, libc.errno(), detail);
  return result;
}

/** UTF-8 with the NUL that C wants. A NUL inside would silently cut the text, so it is refused. */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new ErrnoError("cString", 22, "NUL in text");
  return new TextEncoder().encode(`${text}\0`);
}

function openLibc(): Libc | null {
  opened ??= typeof Bun === "undefined" ? null : loadLibc();
  return opened;
}

/** glibc, then musl, under the names the dynamic loaders know. */
function loadLibc(): Libc | null {
  // Under Bun the module exists, and its exports have the shape of Ffi (Bun's documentation, "FFI").
  const ffi = ((Bun as { readonly FFI?: unknown }).FFI ?? process.getBuiltinModule("bun:ffi")) as Ffi;
  const symbols = Object.fromEntries(
    Object.entries(signatures).map(([name, args]) => [name, { args, returns: name === "syscall" ? "i64" : "i32" }]),
  );
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const path of ["libc.so.6", `libc.musl-${arch}.so.1`]) {
    try {
      const { symbols: calls } = ffi.dlopen(path, { ...symbols, __errno_location: { args: [], returns: "ptr" } });
      return {
        ptr: (bytes) => ffi.ptr(bytes),
        symbols: calls,
        errno: () => ffi.read.i32(calls["__errno_location"]?.(), 0),
      };
    } catch {
      // Not this libc; the next name may be there, and with none left the Node way is taken.
    }
  }
  return null;
}
