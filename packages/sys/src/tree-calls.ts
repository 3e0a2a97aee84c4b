import { ErrnoError } from "./libc.ts";

/**
 * The file calls of libc that take a descriptor and a name. A table of its own, because compiling it takes a moment that
 * only the unpacking of layers should pay.
 */
const signatures = {
  openat: ["i32", "ptr", "i32", "u32"],
  close: ["i32"],
  write: ["i32", "ptr", "u64"],
  pread: ["i32", "ptr", "u64", "i64"],
  ftruncate: ["i32", "i64"],
  lseek: ["i32", "i64", "i32"],
  mkdirat: ["i32", "ptr", "u32"],
  mknodat: ["i32", "ptr", "u32", "u64"],
  symlinkat: ["ptr", "i32", "ptr"],
  linkat: ["i32", "ptr", "i32", "ptr", "i32"],
  unlinkat: ["i32", "ptr", "i32"],
  readlinkat: ["i32", "ptr", "ptr", "u64"],
  fchown: ["i32", "u32", "u32"],
  fchmod: ["i32", "u32"],
  fchownat: ["i32", "ptr", "u32", "u32", "i32"],
  chmod: ["ptr", "u32"],
  futimens: ["i32", "ptr"],
  utimensat: ["i32", "ptr", "ptr", "i32"],
  fsetxattr: ["i32", "ptr", "ptr", "u64", "i32"],
  setxattr: ["ptr", "ptr", "ptr", "u64", "i32"],
  lsetxattr: ["ptr", "ptr", "ptr", "u64", "i32"],
  lgetxattr: ["ptr", "ptr", "ptr", "u64"],
  llistxattr: ["ptr", "ptr", "u64"],
  getdents64: ["i32", "ptr", "u64"],
  statx: ["i32", "ptr", "i32", "u32", "ptr"],
  syncfs: ["i32"],
} as const;

export type TreeCall = keyof typeof signatures;

/** The part of `bun:ffi` that is used, typed so that nothing here imports it. */
interface Ffi {
  dlopen(
    path: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): { symbols: Record<string, (...args: (number | bigint)[]) => number> };
  ptr(bytes: ArrayBufferView): number;
  readonly read: { i32(pointer: number, offset: number): number };
}

/** What a call is given: a descriptor, a flag, a length, an address. */
type Word = number | bigint;

/** Longest text handed to the kernel, with its NUL: PATH_MAX, and the longest extended attribute's name fits too. */
const TEXT_BYTES = 4096;
const ENAMETOOLONG = 36;
const EINVAL = 22;

/** A buffer at a fixed address. */
export interface FixedBuffer {
  readonly bytes: Buffer;
  readonly pointer: number;
}

/**
 * libc as this module's users want it: texts are *byte strings* (one character per byte, latin1), so that a name which
 * is no UTF-8 survives; a result below zero is minus errno. One per thread.
 */
export class TreeLibc {
  readonly #ffi: Ffi;
  readonly #symbols: Record<string, (...args: (number | bigint)[]) => number>;
  readonly #errno: number;
  readonly #texts: readonly [FixedBuffer, FixedBuffer];

  constructor() {
    // Under Bun the module exists, and its exports have the shape of Ffi (Bun's documentation, "FFI").
    this.#ffi = process.getBuiltinModule("bun:ffi") as unknown as Ffi;
    this.#symbols = openSymbols(this.#ffi);
    // The address of errno is this thread's for as long as the thread lives.
    this.#errno = this.#symbols["__errno_location"]?.() ?? 0;
    this.#texts = [this.fixed(TEXT_BYTES), this.fixed(TEXT_BYTES)];
  }

  /** A buffer whose address the kernel can be given as often as needed. */
  fixed(length: number): FixedBuffer {
    // Over an ArrayBuffer of its own: a small Buffer's memory moves when its `buffer` is first asked for.
    const bytes = Buffer.from(new ArrayBuffer(length));
    return { bytes, pointer: this.#ffi.ptr(bytes) };
  }

  /** Where `bytes` are; true as long as they are reachable. */
  pointer(bytes: Uint8Array): number {
    return this.#ffi.ptr(bytes);
  }

  /** The call's result, or minus errno. Five arguments, whatever the call takes: an array of them for each would cost more. */
  try(call: TreeCall, a: Word, b: Word = 0, c: Word = 0, d: Word = 0, e: Word = 0): number {
    const symbol = this.#symbols[call];
    if (symbol === undefined) return -38;
    const result = symbol(a, b, c, d, e);
    return result === -1 ? -this.#ffi.read.i32(this.#errno, 0) : result;
  }

  /** The call's result; throws `ErrnoError` with `detail`. */
  call(call: TreeCall, detail: string, a: Word, b: Word = 0, c: Word = 0, d: Word = 0, e: Word = 0): number {
    return check(call, this.try(call, a, b, c, d, e), detail);
  }

  /** The address of a byte string and its NUL; good until the next `text` of the same slot. */
  text(value: string, slot: 0 | 1 = 0): number {
    const { bytes, pointer } = this.#texts[slot];
    if (value.length >= TEXT_BYTES) throw new ErrnoError("path", ENAMETOOLONG, printable(value.slice(0, 80)));
    if (value.includes("\0")) throw new ErrnoError("path", EINVAL, "NUL in name");
    bytes.write(value, 0, "latin1");
    bytes[value.length] = 0;
    return pointer;
  }
}

/** `result`, unless it is minus errno. */
export function check(call: string, result: number, detail: string): number {
  if (result >= 0) return result;
  throw new ErrnoError(call, -result, printable(detail));
}

/** A byte string as people read it: UTF-8 where it is that. */
export function printable(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

let libc: TreeLibc | undefined;

/** This thread's libc. Needs Bun. */
export function treeLibc(): TreeLibc {
  libc ??= new TreeLibc();
  return libc;
}

/** glibc, then musl. glibc before 2.33 lacks some names of 64-bit Linux; Debian 12 and every musl have them all. */
function openSymbols(ffi: Ffi): Record<string, (...args: (number | bigint)[]) => number> {
  const symbols = Object.fromEntries(
    Object.entries(signatures).map(([name, args]) => [name, { args, returns: "i32" }]),
  );
  const table = { ...symbols, __errno_location: { args: [], returns: "ptr" } };
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  let why: unknown;
  for (const path of ["libc.so.6", `libc.musl-${arch}.so.1`]) {
    try {
      return ffi.dlopen(path, table).symbols;
    } catch (error) {
      // Not this libc; the next name may be there.
      why ??= error;
    }
  }
  throw new Error("unpacking layers needs glibc 2.33 or musl", { cause: why });
}
