import { ErrnoError } from "./libc.ts";
import { check, printable, type TreeLibc } from "./tree-calls.ts";

/** A directory inside the tree, held open. Good until the next directory is asked for: the cache may close it then. */
export interface TreeDirectory {
  readonly fd: number;
  /** Where it was found, links resolved, as a byte string without leading slash; "" for the root. */
  readonly path: string;
}

/** Makes `name` in `parent`, where nothing is; called for the parents that a path only implies. */
export type MakeDirectory = (parent: TreeDirectory, name: string) => void;

/** Directories held open at most: a layer's names come directory by directory, so a few serve nearly all. */
const MAX_OPEN = 128;
/** Links followed before a path counts as a loop: containerd's number, the kernel's is 40. */
const MAX_LINKS = 255;
const O_RDONLY = 0;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** These two differ between x86-64 and arm64. */
const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
const ENOENT = 2;
const EACCES = 13;
const ENOTDIR = 20;
const ELOOP = 40;
const LINK_BYTES = 4096;

/**
 * Finds directories below a root that is not trusted. Every component is opened by its name alone, relative to the
 * descriptor of its parent and without following a link: nothing swapped in meanwhile can lead outside. A link's text
 * is read and walked the same way, `/` and `..` ending at the root. That is what openat2's RESOLVE_IN_ROOT does, with
 * two differences that layers need: parents that are missing are made on the way, also behind a link, and a path may
 * be longer than PATH_MAX. So there is no second walker for kernels or seccomp profiles without openat2 (R32).
 */
export class TreeDirectories implements Disposable {
  readonly #libc: TreeLibc;
  readonly #root: TreeDirectory;
  /** By the path asked for; the oldest first. */
  readonly #open = new Map<string, TreeDirectory>();
  /** What was asked for last; it is the youngest of `#open`. */
  #latest: { readonly path: string; readonly directory: TreeDirectory } | undefined;
  readonly #link: { readonly bytes: Buffer; readonly pointer: number };

  constructor(libc: TreeLibc, rootFd: number) {
    this.#libc = libc;
    this.#root = { fd: rootFd, path: "" };
    this.#link = libc.fixed(LINK_BYTES);
  }

  /**
   * Opens the directory at `path`, which is clean: no empty part, no `.`, no `..`. Throws `ErrnoError`: ENOENT where
   * a part is missing and `make` is not given, ENOTDIR, ELOOP.
   */
  open(path: string, make?: MakeDirectory): TreeDirectory {
    if (path === "") return this.#root;
    // A layer's names come directory by directory.
    if (path === this.#latest?.path) return this.#latest.directory;
    const directory = this.#find(path, make);
    this.#latest = { path, directory };
    return directory;
  }

  #find(path: string, make?: MakeDirectory): TreeDirectory {
    const known = this.#open.get(path);
    if (known !== undefined) return this.#touch(path, known);
    const start = this.#nearest(path);
    const rest = start === "" ? path : path.slice(start.length + 1);
    const found = new Walk(this, start === "" ? this.#root : this.#known(start), rest, make).run();
    this.#remember(path, found);
    return found;
  }

  /** Forgets everything: after a directory or a link was taken away, a path may mean something else. */
  forget(): void {
    for (const { fd } of this.#open.values()) this.#libc.try("close", fd);
    this.#open.clear();
    this.#latest = undefined;
  }

  [Symbol.dispose](): void {
    this.forget();
  }

  get root(): TreeDirectory {
    return this.#root;
  }

  /** A descriptor of a real directory, or minus errno: a link is ENOTDIR or ELOOP. */
  enter(parent: number, name: string): number {
    const flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const text = this.#libc.text(name);
    const fd = this.#libc.try("openat", parent, text, O_RDONLY | flags, 0);
    // What cannot be listed can still be walked through.
    return fd === -EACCES ? this.#libc.try("openat", parent, text, O_PATH | flags, 0) : fd;
  }

  /** A link's text; minus errno for what is none. */
  readLink(parent: number, name: string): string | number {
    const length = this.#libc.try("readlinkat", parent, this.#libc.text(name), this.#link.pointer, LINK_BYTES);
    return length < 0 ? length : this.#link.bytes.toString("latin1", 0, length);
  }

  close(fd: number): void {
    this.#libc.try("close", fd);
  }

  /** The longest part of `path` that is open. */
  #nearest(path: string): string {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const start = path.slice(0, end);
      if (this.#open.has(start)) return start;
    }
    return "";
  }

  #known(path: string): TreeDirectory {
    const directory = this.#open.get(path);
    if (directory === undefined) throw new Error(`directory ${printable(path)} is not open`);
    return this.#touch(path, directory);
  }

  #touch(path: string, directory: TreeDirectory): TreeDirectory {
    this.#open.delete(path);
    this.#open.set(path, directory);
    return directory;
  }

  #remember(path: string, directory: TreeDirectory): void {
    this.#open.set(path, directory);
    if (this.#open.size <= MAX_OPEN) return;
    for (const [oldest, { fd }] of this.#open) {
      this.#open.delete(oldest);
      this.#libc.try("close", fd);
      return;
    }
  }
}

/** One path on its way down; owns the descriptor of where it stands, unless that is where it started or the root. */
class Walk {
  readonly #directories: TreeDirectories;
  readonly #start: TreeDirectory;
  readonly #make: MakeDirectory | undefined;
  readonly #path: string;
  readonly #todo: string[];
  #here: TreeDirectory;
  #links = 0;

  constructor(directories: TreeDirectories, start: TreeDirectory, path: string, make: MakeDirectory | undefined) {
    this.#directories = directories;
    this.#start = start;
    this.#here = start;
    this.#path = path;
    this.#make = make;
    this.#todo = parts(path).reverse();
  }

  run(): TreeDirectory {
    try {
      for (let name = this.#todo.pop(); name !== undefined; name = this.#todo.pop()) {
        if (name === "..") this.#leave();
        else this.#step(name);
      }
      return this.#own();
    } catch (error) {
      this.#move(this.#directories.root);
      throw error;
    }
  }

  #step(name: string): void {
    let fd = this.#directories.enter(this.#here.fd, name);
    if (fd === -ENOENT && this.#make !== undefined) {
      this.#make(this.#here, name);
      fd = this.#directories.enter(this.#here.fd, name);
    }
    if (fd >= 0) this.#move({ fd, path: join(this.#here.path, name) });
    else if (fd === -ENOTDIR || fd === -ELOOP) this.#follow(name);
    else check("open", fd, this.#path);
  }

  #follow(name: string): void {
    const target = this.#directories.readLink(this.#here.fd, name);
    if (typeof target === "number") throw new ErrnoError("open", ENOTDIR, printable(this.#path));
    // A tree that swaps links in under the walk costs itself a step each time, and runs out of them.
    if (++this.#links > MAX_LINKS) throw new ErrnoError("open", ELOOP, printable(this.#path));
    if (target.startsWith("/")) this.#move(this.#directories.root);
    for (const part of parts(target).reverse()) this.#todo.push(part);
  }

  /** Back down to the parent from the root: going up by `..` could leave the root with a directory that was moved. */
  #leave(): void {
    const above = this.#here.path.slice(0, Math.max(this.#here.path.lastIndexOf("/"), 0));
    this.#move(this.#directories.root);
    for (const name of parts(above)) {
      const fd = this.#directories.enter(this.#here.fd, name);
      this.#move({ fd: check("open", fd, this.#path), path: join(this.#here.path, name) });
    }
  }

  #move(to: TreeDirectory): void {
    if (this.#owned()) this.#directories.close(this.#here.fd);
    this.#here = to;
  }

  #owned(): boolean {
    return this.#here !== this.#start && this.#here !== this.#directories.root;
  }

  /** Where the walk ended, with a descriptor that nobody else closes. */
  #own(): TreeDirectory {
    if (this.#owned()) return this.#here;
    const fd = check("open", this.#directories.enter(this.#here.fd, "."), this.#path);
    return { fd, path: this.#here.path };
  }
}

function parts(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}
