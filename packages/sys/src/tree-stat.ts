import { check, type FixedBuffer, type TreeLibc } from "./tree-calls.ts";

export type TreeKind = "file" | "directory" | "symlink" | "fifo" | "character" | "block" | "socket";

/** Since the epoch; whole seconds and the nanoseconds on top. */
export interface FileTime {
  readonly seconds: number;
  readonly nanos: number;
}

/** What statx(2) says of an entry, never following a link. */
export interface TreeStat {
  readonly kind: TreeKind;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes of the disk it takes. */
  readonly room: number;
  readonly links: number;
  /** Device and inode: equal for names of one file only. */
  readonly identity: string;
  readonly mtime: FileTime;
  readonly atime: FileTime;
  /** Numbers of a device node. */
  readonly major: number;
  readonly minor: number;
}

/** A block as statx(2) counts them, in bytes. */
const BLOCK_BYTES = 512;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const ENOENT = 2;
const ENOTDIR = 20;

/** S_IFMT >> 12, from inode(7). */
const kinds: Readonly<Record<number, TreeKind>> = {
  1: "fifo",
  2: "character",
  4: "directory",
  6: "block",
  8: "file",
  10: "symlink",
  12: "socket",
};

/** Reads entries' metadata relative to a directory's descriptor. */
export class StatReader {
  readonly #libc: TreeLibc;
  readonly #buffer: FixedBuffer;
  readonly #view: DataView;

  constructor(libc: TreeLibc) {
    this.#libc = libc;
    this.#buffer = libc.fixed(STATX_BYTES);
    this.#view = new DataView(this.#buffer.bytes.buffer, this.#buffer.bytes.byteOffset, STATX_BYTES);
  }

  /** `undefined` where there is nothing. An empty name is the descriptor itself. */
  stat(fd: number, name: string): TreeStat | undefined {
    const result = this.#read(fd, name);
    if (result === -ENOENT || result === -ENOTDIR) return undefined;
    check("statx", result, name);
    return this.#decode();
  }

  /** Only what it is. */
  kind(fd: number, name: string): TreeKind | undefined {
    const result = this.#read(fd, name);
    if (result === -ENOENT || result === -ENOTDIR) return undefined;
    check("statx", result, name);
    return kinds[this.#view.getUint16(28, true) >> 12] ?? "file";
  }

  /** Looks at an open file for `isOwnedBy` and `isOfMode`. */
  look(fd: number): void {
    check("statx", this.#read(fd, ""), "");
  }

  isOwnedBy({ uid, gid }: { readonly uid: number; readonly gid: number }): boolean {
    return this.#view.getUint32(20, true) === uid && this.#view.getUint32(24, true) === gid;
  }

  isOfMode(mode: number): boolean {
    return (this.#view.getUint16(28, true) & 0o7777) === mode;
  }

  /**
   * Bytes of the disk that what was looked at takes. Past the end of a file that is open there may be more, kept ready for
   * what is written next (XFS): it is given back and not counted.
   */
  get room(): number {
    const blockBytes = this.#view.getUint32(4, true);
    return Math.min(this.#number(48) * BLOCK_BYTES, Math.ceil(this.#number(40) / blockBytes) * blockBytes);
  }

  #read(fd: number, name: string): number {
    const flags = AT_SYMLINK_NOFOLLOW | (name === "" ? AT_EMPTY_PATH : 0);
    return this.#libc.try("statx", fd, this.#libc.text(name), flags, STATX_BASIC_STATS, this.#buffer.pointer);
  }

  /** 64 bits, without a BigInt on the way: past 2^53 nothing is counted. */
  #number(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** The layout of struct statx, the same on every architecture. */
  #decode(): TreeStat {
    const view = this.#view;
    const mode = view.getUint16(28, true);
    return {
      kind: kinds[mode >> 12] ?? "file",
      mode: mode & 0o7777,
      uid: view.getUint32(20, true),
      gid: view.getUint32(24, true),
      size: this.#number(40),
      room: this.#number(48) * BLOCK_BYTES,
      links: view.getUint32(16, true),
      identity: `${view.getUint32(136, true)}:${view.getUint32(140, true)}:${view.getBigUint64(32, true)}`,
      atime: { seconds: Number(view.getBigInt64(64, true)), nanos: view.getUint32(72, true) },
      mtime: { seconds: Number(view.getBigInt64(112, true)), nanos: view.getUint32(120, true) },
      major: view.getUint32(128, true),
      minor: view.getUint32(132, true),
    };
  }
}
