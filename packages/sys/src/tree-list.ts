import { check, type FixedBuffer, type TreeLibc } from "./tree-calls.ts";

const BUFFER_BYTES = 64 * 1024;
/** struct linux_dirent64: inode 8, offset 8, record length 2, type 1, then the name and its NUL. */
const RECORD_LENGTH_AT = 16;
const NAME_AT = 19;

/** Reads directories by getdents64(2), names as byte strings. */
export class DirectoryLister {
  readonly #libc: TreeLibc;
  readonly #buffer: FixedBuffer;

  constructor(libc: TreeLibc) {
    this.#libc = libc;
    this.#buffer = libc.fixed(BUFFER_BYTES);
  }

  /** The names in an open directory in the order the file system has them, read from its start. */
  list(fd: number): string[] {
    const { bytes, pointer } = this.#buffer;
    const names: string[] = [];
    this.#libc.call("lseek", "", fd, 0n, 0);
    for (;;) {
      const end = check("getdents64", this.#libc.try("getdents64", fd, pointer, BUFFER_BYTES), "");
      if (end === 0) return names;
      for (let at = 0; at < end; at += bytes.readUInt16LE(at + RECORD_LENGTH_AT)) {
        const name = bytes.toString("latin1", at + NAME_AT, bytes.indexOf(0, at + NAME_AT));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  }
}
