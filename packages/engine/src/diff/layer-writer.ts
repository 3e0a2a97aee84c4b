import { ContainerdError } from "@ctr/api";
import type { SnapshotUsage } from "@ctr/oci";
import {
  ErrnoError,
  openTree,
  printable,
  type Tree,
  type TreeDirectory,
  type TreeKind,
  type TreeMetadata,
  type TreeStat,
} from "@ctr/sys";
import type { ApplyLimits } from "./apply-limits.ts";
import { copyUp, linkToRemoved } from "./copy-up.ts";
import { IMPLIED_MODE, inheritDirectory } from "./implied.ts";
import { type LayerPath, layerPath } from "./layer-path.ts";
import type { LayerTarget } from "./layer-target.ts";
import { LayerUsage } from "./layer-usage.ts";
import { isOverlayWhiteout, LowerTrees, OVERLAY_OPAQUE } from "./lower-trees.ts";
import { tarFault } from "./tar-fault.ts";
import { boundTime, latestTime, type TarHeader } from "./tar-header.ts";
import type { TarSink } from "./tar-parser.ts";
import { whiteoutOf } from "./whiteout.ts";

/** A directory whose times, and without privilege its mode, have to wait until nothing is written below it any more. */
interface LateDirectory {
  readonly parent: string;
  readonly base: string;
  readonly meta: TreeMetadata;
}

/** A regular file on its way to disk. */
interface OpenFile {
  readonly fd: number;
  readonly header: TarHeader;
  readonly path: LayerPath;
  position: number;
}

const OPAQUE_VALUE = Buffer.from("y");
const EPERM = 1;
const EOPNOTSUPP = 95;
/** (uid_t)-1 means "leave it" to chown, so it is no owner. */
const MAX_ID = 0xfffffffe;

/**
 * Writes a layer's members under a directory, by containerd's rules (engine reference, "Extraction rules"): names end
 * inside the root, what is in the way is replaced unless both are directories, whiteouts delete or become overlayfs's,
 * the root itself is never touched (R27). Every write goes through `Tree` (R4, R16, R32).
 */
export class LayerWriter implements TarSink, Disposable {
  readonly #tree: Tree;
  readonly #target: LayerTarget;
  readonly #limits: ApplyLimits;
  readonly #lower: LowerTrees | undefined;
  readonly #late = new Map<string, LateDirectory>();
  readonly #implied = new Set<string>();
  /**
   * What this layer put there, with all its parents: an opaque marker that comes later leaves it. Left out where all there
   * is is this layer's.
   */
  readonly #written: Set<string> | undefined;
  readonly #usage = new LayerUsage();
  #entries = 0;
  #file: OpenFile | undefined;
  #chunk: Buffer | undefined;
  #chunkPointer = 0;

  constructor(target: LayerTarget, limits: ApplyLimits) {
    this.#target = target;
    this.#limits = limits;
    this.#tree = openTree(target.dir);
    this.#lower = target.whiteouts === "overlay" && target.lower ? new LowerTrees(target.lower) : undefined;
    const isEmpty = this.#tree.list(this.#tree.open("")).length === 0;
    this.#written = target.whiteouts === "delete" && !isEmpty ? new Set() : undefined;
    if (!isEmpty || this.#lower !== undefined) this.#usage.lose();
  }

  /** Members so far. */
  get entries(): number {
    return this.#entries;
  }

  /** What room the tree takes after `finish`; `undefined` when only a walk could tell. */
  get usage(): SnapshotUsage | undefined {
    return this.#usage.total;
  }

  /** Directories that were made because a name needed them, as byte strings relative to the root, parents first. */
  get implied(): readonly string[] {
    return [...this.#implied];
  }

  begin(header: TarHeader): void {
    if (++this.#entries > this.#limits.maxEntries) throw tooMany(this.#limits.maxEntries);
    try {
      this.#write(header);
    } catch (error) {
      throw entryError(header, error);
    }
  }

  data(chunk: Buffer, at: number, length: number, offset: number): void {
    const file = this.#file;
    // Whiteouts may have a body, which means nothing.
    if (file === undefined) return;
    if (this.#chunk !== chunk) {
      this.#chunk = chunk;
      this.#chunkPointer = this.#tree.pointer(chunk);
    }
    try {
      if (offset !== file.position) this.#tree.seek(file.fd, offset);
      this.#tree.write(file.fd, this.#chunkPointer + at, length);
      file.position = offset + length;
    } catch (error) {
      throw entryError(file.header, error);
    }
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      if (file.position < file.header.size) this.#tree.seek(file.fd, file.header.size);
      const room = this.#tree.setFileMetadata(file.fd, this.#metadata(file.header), this.#xattrFault);
      // Attributes may take a block of their own.
      if (file.header.xattrs.length === 0) this.#usage.add(room);
      else this.#countEntry(file.path.parent, file.path.base);
    } catch (error) {
      throw entryError(file.header, error);
    } finally {
      this.#closeFile();
    }
  }

  #countEntry(parent: string, base: string): TreeStat | undefined {
    const stat = this.#tree.stat(this.#tree.open(parent), base);
    if (stat !== undefined) this.#usage.add(stat.room);
    return stat;
  }

  /** To be called after the last member: directories get their times. */
  finish(): void {
    if (this.#usage.isKnown) for (const path of ["", ...this.#implied]) this.#countEntry(...splitPath(path));
    for (const { parent, base, meta } of this.#late.values()) {
      if (this.#countEntry(parent, base)?.kind !== "directory") continue;
      if (!this.#target.privileged) this.#tree.setMode(this.#tree.open(join(parent, base)), meta.mode);
      this.#tree.setTimes(this.#tree.open(parent), base, meta);
    }
  }

  /** Brings everything to disk. */
  sync(): void {
    this.#tree.sync();
  }

  [Symbol.dispose](): void {
    this.#closeFile();
    this.#lower?.[Symbol.dispose]();
    this.#tree[Symbol.dispose]();
  }

  #closeFile(): void {
    if (this.#file !== undefined) this.#tree.close(this.#file.fd);
    this.#file = undefined;
    this.#chunk = undefined;
  }

  #write(header: TarHeader): void {
    const path = layerPath(header.name);
    const skipped = !this.#target.privileged && (header.type === "character" || header.type === "block");
    // The root is the snapshot's, and not the layer's to change.
    if (path.base === "" || skipped) return;
    checkOwner(header);
    const whiteout = whiteoutOf(path.base);
    const dir = this.#openParent(path.parent);
    if (whiteout.kind === "opaque") this.#hideLower(path.parent);
    else if (whiteout.kind === "removed") this.#hideEntry(path.parent, whiteout.name, header);
    else this.#create(dir, path, header);
  }

  #create(dir: TreeDirectory, path: LayerPath, header: TarHeader): void {
    if (this.#written !== undefined) this.#noteWritten(this.#written, join(dir.path, path.base));
    switch (header.type) {
      case "file":
        this.#createFile(dir, path, header);
        break;
      case "directory":
        this.#createDirectory(dir, path, header);
        break;
      case "hardlink":
        this.#createLink(path, header);
        break;
      case "symlink":
        this.#tree.symlink(this.#clear(path), path.base, header.linkName);
        this.#setMetadata(path, header);
        this.#countEntry(path.parent, path.base);
        break;
      default: {
        const { type: kind, major, minor } = header;
        this.#tree.makeNode(this.#clear(path), path.base, { kind, major, minor });
        this.#setMetadata(path, header);
        this.#countEntry(path.parent, path.base);
      }
    }
  }

  #createFile(dir: TreeDirectory, path: LayerPath, header: TarHeader): void {
    const { mode } = header;
    const fd = this.#tree.createFile(dir, path.base, mode) ?? this.#tree.createFile(this.#clear(path), path.base, mode);
    if (fd === undefined) throw new Error("the name was taken again while it was made free");
    this.#file = { fd, header, path, position: 0 };
  }

  #createDirectory(dir: TreeDirectory, path: LayerPath, header: TarHeader): void {
    const { parent, base } = path;
    const meta = this.#metadata(header);
    const first = this.#target.privileged ? meta : { ...meta, mode: meta.mode | 0o700 };
    if (!this.#tree.makeDirectory(dir, base, first.mode)) this.#replaceByDirectory(dir, path, first.mode);
    const here = this.#tree.open(parent);
    this.#tree.setAttributes(here, base, first, this.#xattrFault);
    this.#implied.delete(join(here.path, base));
    this.#late.set(join(here.path, base), { parent: here.path, base, meta });
  }

  /** A directory is merged with the one that is there; over a whiteout of this layer it hides what that hid. */
  #replaceByDirectory(dir: TreeDirectory, path: LayerPath, mode: number): void {
    const stat = this.#tree.stat(dir, path.base);
    if (stat?.kind === "directory") return;
    const wasWhiteout = this.#target.whiteouts === "overlay" && stat !== undefined && isOverlayWhiteout(stat);
    if (!this.#tree.makeDirectory(this.#clear(path), path.base, mode)) {
      throw new Error("the name was taken again while it was made free");
    }
    if (wasWhiteout) this.#setOpaque(join(path.parent, path.base));
  }

  #createLink(path: LayerPath, header: TarHeader): void {
    const target = layerPath(header.linkName);
    // Linked under its own name it would be removed first.
    if (join(target.parent, target.base) === join(path.parent, path.base)) throw tarFault("hard link to itself");
    this.#clear(path);
    if (this.#lower !== undefined) {
      copyUp({ tree: this.#tree, lower: this.#lower, openParent: (parent) => this.#openParent(parent) }, target);
    }
    this.#link(target, path);
    this.#setMetadata(path, header);
  }

  #link(target: LayerPath, path: LayerPath): void {
    const lowerLater = this.#target.whiteouts === "overlay" && this.#lower === undefined;
    try {
      // The cache holds far more than two, so opening the second directory does not close the first.
      const from = this.#tree.open(target.parent);
      const here = lowerLater ? this.#tree.stat(from, target.base) : undefined;
      if (here !== undefined && isOverlayWhiteout(here)) throw linkToRemoved();
      this.#tree.link(from, target.base, this.#tree.open(path.parent), path.base);
    } catch (error) {
      if (lowerLater && error instanceof ErrnoError) throw needsLower(error);
      throw error;
    }
  }

  #setMetadata({ parent, base }: LayerPath, header: TarHeader): void {
    this.#tree.setMetadata(this.#tree.open(parent), base, this.#metadata(header), this.#xattrFault);
  }

  /** Makes the name free and returns its directory. */
  #clear({ parent, base }: LayerPath): TreeDirectory {
    this.#remove(this.#tree.open(parent), base);
    return this.#tree.open(parent);
  }

  #remove(dir: TreeDirectory, name: string): void {
    const kind = this.#tree.kind(dir, name);
    if (kind === undefined) return;
    this.#usage.lose();
    this.#tree.remove(dir, name);
    if (kind === "directory") this.#forgetImplied(join(dir.path, name));
    // Paths that were found through it may mean something else now.
    if (kind === "directory" || kind === "symlink") this.#tree.forget();
  }

  /** What is gone is not to be completed: its name may come to lead to something else. */
  #forgetImplied(gone: string): void {
    for (const path of this.#implied) if (path === gone || path.startsWith(`${gone}/`)) this.#implied.delete(path);
  }

  #hideEntry(parent: string, name: string, header: TarHeader): void {
    const dir = this.#clear({ parent, base: name });
    if (this.#target.whiteouts === "delete") return;
    this.#tree.makeNode(dir, name, { kind: "character", major: 0, minor: 0 }, 0);
    this.#tree.setOwner(dir, name, header);
    this.#usage.add(0);
  }

  #hideLower(path: string): void {
    if (this.#target.whiteouts === "overlay") this.#setOpaque(path);
    else if (this.#written !== undefined) this.#removeOthers(path, this.#written);
  }

  #setOpaque(path: string): void {
    this.#tree.setXattr(this.#tree.open(path), { name: OVERLAY_OPAQUE, value: OPAQUE_VALUE });
  }

  /** Removes everything below `path` that this layer did not write. */
  #removeOthers(path: string, written: ReadonlySet<string>): void {
    const todo = [path];
    for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
      for (const name of this.#tree.list(this.#tree.open(at))) {
        const dir = this.#tree.open(at);
        if (!written.has(join(dir.path, name))) this.#remove(dir, name);
        else if (this.#tree.kind(dir, name) === "directory") todo.push(join(at, name));
      }
    }
  }

  #noteWritten(written: Set<string>, path: string): void {
    for (let at = path; at !== "" && !written.has(at); at = at.slice(0, Math.max(at.lastIndexOf("/"), 0))) {
      written.add(at);
    }
  }

  #openParent(path: string): TreeDirectory {
    return this.#tree.open(path, (parent, name) => this.#makeImplied(parent, name));
  }

  #makeImplied(parent: TreeDirectory, name: string): void {
    const isNew = this.#tree.makeDirectory(parent, name, 0o700);
    // Something that is no directory is in the way: what opens it next says so.
    if (!isNew) return;
    const path = join(parent.path, name);
    this.#implied.add(path);
    const inherited = this.#lower && inheritDirectory(this.#tree, parent, name, this.#lower);
    if (inherited === undefined) this.#tree.setEntryMode(parent, name, IMPLIED_MODE);
    else this.#late.set(path, { parent: parent.path, base: name, meta: inherited });
  }

  #metadata(header: TarHeader): TreeMetadata {
    const { mode, uid, gid } = header;
    const mtime = boundTime(header.mtime);
    const latest = latestTime(header);
    const atime = latest === header.mtime ? mtime : boundTime(latest);
    // The administrator's attributes, overlayfs's among them, are not an image's to set.
    const xattrs =
      header.xattrs.length === 0 ? header.xattrs : header.xattrs.filter(({ name }) => !name.startsWith("trusted."));
    return this.#target.privileged
      ? { owner: { uid, gid }, mode, mtime, atime, xattrs }
      : { mode, mtime, atime, xattrs };
  }

  /** A file system without attributes takes none; user attributes are for files and directories only, xattr(7). */
  readonly #xattrFault = (name: string, errno: number, kind: TreeKind): boolean => {
    if (errno === EOPNOTSUPP) return true;
    const isPlain = kind === "file" || kind === "directory";
    return errno === EPERM && (!this.#target.privileged || (name.startsWith("user.") && !isPlain));
  };
}

function splitPath(path: string): [parent: string, base: string] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
}

function join(parent: string, name: string): string {
  return parent === "" ? name : `${parent}/${name}`;
}

/** An owner that chown would wrap or take for "unchanged" is refused (R15). */
function checkOwner({ uid, gid }: TarHeader): void {
  if (uid < 0 || gid < 0 || uid > MAX_ID || gid > MAX_ID) throw tarFault(`invalid owner ${uid}:${gid}`);
}

/** Asks the caller to come again when the layers below are there. */
function needsLower(cause: ErrnoError): ContainerdError {
  const why = `what it links to may be in a layer below: ${cause.message}`;
  return new ContainerdError({ code: "failed_precondition", what: "cannot link", why, cause });
}

function tooMany(limit: number): ContainerdError {
  return new ContainerdError({
    code: "resource_exhausted",
    what: "cannot unpack layer",
    why: `more than ${limit} entries`,
  });
}

/** The fault with the entry it was met at; containerd gives it no class either. */
function entryError(header: TarHeader, cause: unknown): ContainerdError {
  const code = cause instanceof ContainerdError ? cause.code : "unknown";
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ContainerdError({
    code,
    what: "cannot unpack layer",
    where: { entry: printable(header.name.slice(0, 200)) },
    why,
    cause,
  });
}
