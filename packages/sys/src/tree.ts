import { check, type FixedBuffer, type TreeCall, type TreeLibc, treeLibc } from "./tree-calls.ts";
import { type MakeDirectory, TreeDirectories, type TreeDirectory } from "./tree-directories.ts";
import { DirectoryLister } from "./tree-list.ts";
import { removeEntry } from "./tree-remove.ts";
import { type FileTime, StatReader, type TreeKind, type TreeStat } from "./tree-stat.ts";
import { listXattrs, readXattr, type Xattr } from "./tree-xattr.ts";

/** What an entry gets besides its content. */
export interface TreeMetadata {
  /** Left out: whoever creates it owns it. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits with setuid, setgid and sticky; not for links. */
  readonly mode: number;
  readonly mtime: FileTime;
  readonly atime: FileTime;
  readonly xattrs: readonly Xattr[];
}

/** A node that is no file, directory or link. */
export interface TreeNode {
  readonly kind: "fifo" | "character" | "block";
  readonly major: number;
  readonly minor: number;
}

/** What to do when an extended attribute cannot be set: `true` goes on without it. */
export type XattrFault = (name: string, errno: number, kind: TreeKind) => boolean;

const O_RDONLY = 0;
/** O_WRONLY, O_CREAT, O_EXCL: the same on x86-64 and arm64. */
const CREATE_FLAGS = 0o1 | 0o100 | 0o200;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
const EEXIST = 17;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const nodeTypes = { fifo: 0o010000, character: 0o020000, block: 0o060000 } as const;

/** Opens `dir`, which itself is trusted, as a tree to write. Needs Bun. Throws `ErrnoError`. */
export function openTree(dir: string): Tree {
  const libc = treeLibc();
  const path = Buffer.from(dir, "utf8").toString("latin1");
  const fd = libc.call("openat", path, AT_FDCWD, libc.text(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  return new Tree(libc, fd);
}

/**
 * A directory whose content is not trusted, written as if it were `/` (R4, R16, R32). Paths and names are *byte
 * strings*: one character per byte, latin1. A path is found component by component (`TreeDirectories`), an entry is
 * created with O_EXCL and O_NOFOLLOW in its parent's descriptor, and metadata goes through a descriptor of the entry
 * itself: no call takes a path from the tree. Blocks its thread. Every method throws `ErrnoError`.
 */
export class Tree implements Disposable {
  readonly #libc: TreeLibc;
  readonly #fd: number;
  readonly #directories: TreeDirectories;
  readonly #stats: StatReader;
  readonly #lister: DirectoryLister;
  readonly #times: FixedBuffer;
  readonly #timeWords: Uint32Array;
  #disposed = false;

  constructor(libc: TreeLibc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#directories = new TreeDirectories(libc, fd);
    this.#stats = new StatReader(libc);
    this.#lister = new DirectoryLister(libc);
    this.#times = libc.fixed(32);
    this.#timeWords = new Uint32Array(this.#times.bytes.buffer, this.#times.bytes.byteOffset, 8);
  }

  /** See `TreeDirectories.open`. */
  open(path: string, make?: MakeDirectory): TreeDirectory {
    return this.#directories.open(path, make);
  }

  /** What `name` is, links not followed; `undefined` where nothing is. */
  kind(dir: TreeDirectory, name: string): TreeKind | undefined {
    return this.#stats.kind(dir.fd, name);
  }

  /** Likewise, all of it; the directory itself when `name` is empty. */
  stat(dir: TreeDirectory, name: string): TreeStat | undefined {
    return this.#stats.stat(dir.fd, name);
  }

  list(dir: TreeDirectory): readonly string[] {
    return this.#lister.list(dir.fd);
  }

  readLink(dir: TreeDirectory, name: string): string {
    const target = this.#directories.readLink(dir.fd, name);
    return typeof target === "string" ? target : String(check("readlink", target, name));
  }

  xattrs(dir: TreeDirectory, name: string): readonly Xattr[] {
    return listXattrs(this.#libc, procPath(dir.fd, name)).flatMap((xattr) => this.xattr(dir, name, xattr) ?? []);
  }

  /** One extended attribute; `undefined` where it is not set or not supported. */
  xattr(dir: TreeDirectory, name: string, xattr: string): Xattr | undefined {
    return readXattr(this.#libc, procPath(dir.fd, name), xattr);
  }

  /** A descriptor to read a regular file by, which the caller closes. Anything else is opened too, without waiting. */
  openFile(dir: TreeDirectory, name: string): number {
    const flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    return this.#libc.call("openat", name, dir.fd, this.#libc.text(name), flags, 0);
  }

  /** False where something is in the way. */
  makeDirectory(dir: TreeDirectory, name: string, mode: number): boolean {
    const result = this.#libc.try("mkdirat", dir.fd, this.#libc.text(name), mode);
    if (result === -EEXIST) return false;
    check("mkdir", result, name);
    return true;
  }

  /**
   * A new regular file's descriptor, ended by `close`; `undefined` where something is in the way. It has what the umask
   * leaves of `mode`'s permissions from the beginning, which spares `setFileMetadata` a call.
   */
  createFile(dir: TreeDirectory, name: string, mode = 0o600): number | undefined {
    const flags = CREATE_FLAGS | O_NOFOLLOW | O_CLOEXEC;
    const fd = this.#libc.try("openat", dir.fd, this.#libc.text(name), flags, mode & 0o777);
    return fd === -EEXIST ? undefined : check("open", fd, name);
  }

  /** Writes bytes that lie at an address (`pointer`): the fast way for many small pieces of one chunk. */
  write(fd: number, pointer: number, length: number): void {
    for (let done = 0; done < length; ) {
      done += this.#libc.call("write", "", fd, pointer + done, length - done);
    }
  }

  /** Where bytes are, for `write`; they have to stay reachable until then. */
  pointer(bytes: Uint8Array): number {
    return this.#libc.pointer(bytes);
  }

  /** Leaves a hole up to `offset`, which may be the end of the file. */
  seek(fd: number, offset: number): void {
    this.#libc.call("ftruncate", "", fd, BigInt(offset));
    // The position is past 2^31 for large files, so only the sign of what comes back counts.
    this.#libc.try("lseek", fd, BigInt(offset), 0);
  }

  close(fd: number): void {
    this.#libc.try("close", fd);
  }

  symlink(dir: TreeDirectory, name: string, target: string): void {
    this.#libc.call("symlinkat", name, this.#libc.text(target, 1), dir.fd, this.#libc.text(name));
  }

  /** A further name for an entry, which may be a link itself. */
  link(from: TreeDirectory, fromName: string, to: TreeDirectory, name: string): void {
    const [source, target] = [this.#libc.text(fromName, 1), this.#libc.text(name)];
    this.#libc.call("linkat", name, from.fd, source, to.fd, target, 0);
  }

  makeNode(dir: TreeDirectory, name: string, node: TreeNode, permissions = 0o600): void {
    const mode = nodeTypes[node.kind] | permissions;
    this.#libc.call("mknodat", name, dir.fd, this.#libc.text(name), mode, deviceNumber(node));
  }

  /**
   * Owner, extended attributes, mode and times of an open file, in the order that keeps each. Each is a transaction of the
   * file system, so what the file has already is not set. Returns the bytes of the disk that it takes.
   */
  setFileMetadata(fd: number, meta: TreeMetadata, onFault: XattrFault): number {
    const libc = this.#libc;
    const { owner, mode, xattrs } = meta;
    this.#stats.look(fd);
    const { room } = this.#stats;
    if (owner !== undefined && !this.#stats.isOwnedBy(owner)) libc.call("fchown", "", fd, owner.uid, owner.gid);
    for (const xattr of xattrs) {
      this.#setXattr("fsetxattr", fd, xattr, (name, errno) => onFault(name, errno, "file"));
    }
    // An access list among the attributes may have changed it.
    if (xattrs.length > 0 || !this.#stats.isOfMode(mode)) libc.call("fchmod", "", fd, mode);
    libc.call("futimens", "", fd, this.#timesOf(meta));
    return room;
  }

  /** The same of anything, by a descriptor of the entry itself; it must be of `kind`. An empty name is `dir`. */
  setMetadata(dir: TreeDirectory, name: string, meta: TreeMetadata, onFault: XattrFault): void {
    this.setAttributes(dir, name, meta, onFault);
    this.#setTimesAt(dir, name, meta);
  }

  /** All but the times, for a directory that is still written to. */
  setAttributes(
    dir: TreeDirectory,
    name: string,
    { owner, mode, xattrs }: Omit<TreeMetadata, "mtime" | "atime">,
    onFault: XattrFault,
  ): void {
    this.#withEntry(dir, name, (entry, kind) => {
      const libc = this.#libc;
      const chown = owner !== undefined && !this.#stats.isOwnedBy(owner);
      const chmod = kind !== "symlink" && !this.#stats.isOfMode(mode);
      if (chown) libc.call("fchownat", name, entry, libc.text(""), owner.uid, owner.gid, AT_EMPTY_PATH);
      // A link's own descriptor takes no attributes, so a link is named in its directory, and not followed.
      const [call, path] =
        kind === "symlink"
          ? (["lsetxattr", procPath(dir.fd, name)] as const)
          : (["setxattr", procFile(entry)] as const);
      for (const xattr of xattrs) {
        this.#setXattr(call, path, xattr, (fault, errno) => onFault(fault, errno, kind));
      }
      // A new owner takes setuid and setgid away; an access list among the attributes may change the rest.
      const isUnsure = kind !== "symlink" && (chown || xattrs.length > 0);
      if (chmod || isUnsure) libc.call("chmod", name, libc.text(procFile(entry)), mode);
    });
  }

  /** Only the times. */
  setTimes(dir: TreeDirectory, name: string, times: Pick<TreeMetadata, "mtime" | "atime">): void {
    this.#setTimesAt(dir, name, times);
  }

  /** Only the mode, of a directory. */
  setMode(dir: TreeDirectory, mode: number): void {
    this.#libc.call("chmod", dir.path, this.#libc.text(procFile(dir.fd)), mode);
  }

  /** Only the mode of an entry, which is no link. */
  setEntryMode(dir: TreeDirectory, name: string, mode: number): void {
    this.#withEntry(dir, name, (entry) => this.#libc.call("chmod", name, this.#libc.text(procFile(entry)), mode));
  }

  /** Only the owner, links not followed. */
  setOwner(dir: TreeDirectory, name: string, owner: { readonly uid: number; readonly gid: number }): void {
    const { uid, gid } = owner;
    this.#libc.call("fchownat", name, dir.fd, this.#libc.text(name), uid, gid, AT_SYMLINK_NOFOLLOW);
  }

  /** One extended attribute of a directory. */
  setXattr(dir: TreeDirectory, xattr: Xattr): void {
    this.#setXattr("setxattr", procFile(dir.fd), xattr, () => false);
  }

  /** Removes an entry and all below it; nothing there is no error. */
  remove(dir: TreeDirectory, name: string): void {
    const kind = this.kind(dir, name);
    if (kind === undefined) return;
    removeEntry({ libc: this.#libc, directories: this.#directories, lister: this.#lister }, dir.fd, name);
  }

  /** To be called after a directory or a link was removed: paths through it mean something else now. */
  forget(): void {
    this.#directories.forget();
  }

  /** Brings the file system the tree is on to disk. */
  sync(): void {
    this.#libc.call("syncfs", "", this.#fd);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#directories[Symbol.dispose]();
    this.#libc.try("close", this.#fd);
  }

  #withEntry(dir: TreeDirectory, name: string, use: (entry: number, kind: TreeKind) => void): void {
    const entry = this.#libc.call(
      "openat",
      name,
      dir.fd,
      this.#libc.text(name === "" ? "." : name),
      O_PATH | O_NOFOLLOW | O_CLOEXEC,
      0,
    );
    try {
      use(entry, this.#stats.kind(entry, "") ?? "file");
    } finally {
      this.#libc.try("close", entry);
    }
  }

  #setTimesAt(dir: TreeDirectory, name: string, times: Pick<TreeMetadata, "mtime" | "atime">): void {
    const text = this.#libc.text(name === "" ? "." : name);
    this.#libc.call("utimensat", name, dir.fd, text, this.#timesOf(times), AT_SYMLINK_NOFOLLOW);
  }

  /** Two struct timespec of 64-bit words, low word first: both architectures are little-endian. */
  #timesOf(times: Pick<TreeMetadata, "mtime" | "atime">): number {
    const words = this.#timeWords;
    putTime(words, 0, times.atime);
    putTime(words, 4, times.mtime);
    return this.#times.pointer;
  }

  #setXattr(
    call: TreeCall & ("fsetxattr" | "lsetxattr" | "setxattr"),
    at: number | string,
    xattr: Xattr,
    onFault: (name: string, errno: number) => boolean,
  ): void {
    const libc = this.#libc;
    // An empty array has no address; the length says that nothing is read there.
    const value = xattr.value.byteLength === 0 ? this.#times.pointer : libc.pointer(xattr.value);
    const where = typeof at === "number" ? at : libc.text(at);
    const result = libc.try(call, where, libc.text(xattr.name, 1), value, xattr.value.byteLength, 0);
    if (result < 0 && !onFault(xattr.name, -result)) check("setxattr", result, xattr.name);
  }
}

function putTime(words: Uint32Array, at: number, time: FileTime): void {
  words[at] = time.seconds % 2 ** 32;
  words[at + 1] = Math.floor(time.seconds / 2 ** 32);
  words[at + 2] = time.nanos;
  words[at + 3] = 0;
}

/** Names an open file for the calls that take no descriptor; following it leads to that very file. */
function procFile(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Names an entry of an open directory for the calls that take no descriptor; the last part is never followed. */
function procPath(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name === "" ? "." : name}`;
}

/** makedev(3) of glibc. */
function deviceNumber(node: TreeNode): bigint {
  const [major, minor] = [BigInt(node.major), BigInt(node.minor)];
  return ((major & 0xfffff000n) << 32n) | ((major & 0xfffn) << 8n) | ((minor & 0xffffff00n) << 12n) | (minor & 0xffn);
}
