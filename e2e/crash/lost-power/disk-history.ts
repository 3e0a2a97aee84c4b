import type { Stats } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { DiskCall } from "./disk-calls.ts";
import { bytesOf, type FileContent, overwrite, resize } from "./file-content.ts";

/** A file, directory or link, whatever names it has. */
export interface Inode {
  readonly kind: "file" | "directory" | "link" | "other";
  readonly target: string;
}

/** One step of a recording, with the line after which it is on disk whatever happens; Infinity if never. */
export interface Step {
  readonly at: number;
  durableAt: number;
  readonly change: Change;
}

export type Change =
  | { readonly kind: "names"; readonly names: readonly NameChange[] }
  | { readonly kind: "bytes"; readonly inode: Inode; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: "size"; readonly inode: Inode; readonly size: number }
  | { readonly kind: "mode"; readonly inode: Inode; readonly mode: number };

/** A name that comes to mean `inode`, or that goes and meant it. */
export interface NameChange {
  readonly dir: Inode;
  readonly name: string;
  readonly inode: Inode;
  readonly gone: boolean;
}

/** A tree as a recording found it, and every step that changed it. */
export interface DiskHistory {
  readonly top: Inode;
  readonly steps: readonly Step[];
  /** Lines at which something came to be on disk for good. */
  readonly syncs: readonly number[];
  readonly end: number;
}

/**
 * What POSIX promises and no more: a sync of a file keeps its bytes, a sync of a directory the names in it, syncfs
 * everything. File systems keep more than that, in an order of their own. Owners, times and attributes are left out.
 */
export class DiskRecorder {
  readonly #root: string;
  readonly #top: Inode = { kind: "directory", target: "" };
  readonly #steps: Step[] = [];
  readonly #syncs: number[] = [];
  readonly #names = new Map<Inode, Map<string, Inode>>();
  readonly #modes = new Map<Inode, number>();
  readonly #files = new Map<Inode, FileContent>();
  readonly #descriptors = new Map<string, string>();
  #end = 0;

  private constructor(root: string) {
    this.#root = root;
    this.#names.set(this.#top, new Map());
  }

  /** Looks at what is in `root` before anything is recorded; all of that is on disk. */
  static async begin(root: string): Promise<DiskRecorder> {
    const recorder = new DiskRecorder(root);
    await recorder.#read(root, recorder.#top, new Map());
    return recorder;
  }

  history(calls: readonly DiskCall[]): DiskHistory {
    for (const call of calls) this.#take(call);
    return { top: this.#top, steps: this.#steps, syncs: this.#syncs, end: this.#end + 1 };
  }

  async #read(path: string, dir: Inode, known: Map<string, Inode>): Promise<void> {
    for (const name of await readdir(path)) {
      const full = join(path, name);
      const stats = await lstat(full);
      const key = `${stats.dev}:${stats.ino}`;
      const kind = kindOf(stats);
      const found = known.get(key) ?? { kind, target: kind === "link" ? await readlink(full) : "" };
      this.#name(-1, [{ dir, name, inode: found, gone: false }]);
      if (known.has(key)) continue;
      known.set(key, found);
      this.#add(-1, { kind: "mode", inode: found, mode: stats.mode & 0o7777 });
      if (kind === "file") this.#bytes(-1, found, 0, await readFile(full));
      if (kind === "directory") await this.#read(full, found, known);
    }
  }

  /** What each call does; the words are its arguments. */
  readonly #effects: Readonly<Record<string, (call: DiskCall, words: readonly string[]) => void>> = {
    open: (call, [path, flags]) => this.#open(call, textOf(path), flags ?? ""),
    creat: (call, [path]) => this.#open(call, textOf(path), "O_CREAT|O_TRUNC"),
    openat: (call, [dir, path, ...flags]) => this.#open(call, pathAt(dir, path), flags.join(", ")),
    openat2: (call, [dir, path, ...flags]) => this.#open(call, pathAt(dir, path), flags.join(", ")),
    mkdir: (call, [path, mode]) => this.#make(call, textOf(path), { kind: "directory", mode: modeOf(mode) }),
    mkdirat: (call, [dir, path, mode]) =>
      this.#make(call, pathAt(dir, path), { kind: "directory", mode: modeOf(mode) }),
    mknod: (call, [path]) => this.#make(call, textOf(path), { kind: "other", mode: 0o600 }),
    mknodat: (call, [dir, path]) => this.#make(call, pathAt(dir, path), { kind: "other", mode: 0o600 }),
    symlink: (call, [target, path]) => this.#make(call, textOf(path), linkTo(target)),
    symlinkat: (call, [target, dir, path]) => this.#make(call, pathAt(dir, path), linkTo(target)),
    link: (call, [from, to]) => this.#link(call, textOf(from), textOf(to)),
    linkat: (call, [dir, from, other, to]) => this.#link(call, pathAt(dir, from), pathAt(other, to)),
    rename: (call, [from, to]) => this.#rename(call, textOf(from), textOf(to)),
    renameat: (call, [dir, from, other, to]) => this.#rename(call, pathAt(dir, from), pathAt(other, to)),
    renameat2: (call, [dir, from, other, to]) => this.#rename(call, pathAt(dir, from), pathAt(other, to)),
    unlink: (call, [path]) => this.#unlink(call, textOf(path)),
    rmdir: (call, [path]) => this.#unlink(call, textOf(path)),
    unlinkat: (call, [dir, path]) => this.#unlink(call, pathAt(dir, path)),
    // No command seeks: a file is written from its beginning, or at its end.
    write: (call, [file]) => this.#write(call, file),
    writev: (call, [file]) => this.#write(call, file),
    pwrite64: (call, [file, ...rest]) => this.#write(call, file, Number(rest.at(-1))),
    copy_file_range: (call, [from, , to]) => this.#copy(call, from, to),
    truncate: (call, [path, size]) => this.#resize(call, this.#find(textOf(path)), Number(size)),
    ftruncate: (call, [file, size]) => this.#resize(call, this.#opened(file), Number(size)),
    chmod: (call, [path, mode]) => this.#chmod(call, this.#find(this.#throughDescriptor(call, textOf(path))), mode),
    fchmod: (call, [file, mode]) => this.#chmod(call, this.#opened(file), mode),
    fchmodat: (call, [dir, path, mode]) => this.#chmod(call, this.#find(pathAt(dir, path)), mode),
    // How `cp` gives a copy its mode.
    setxattr: (call, [path, name, value]) => this.#acl(call, this.#find(resolve(textOf(path))), [name, value]),
    fsetxattr: (call, [file, name, value]) => this.#acl(call, this.#opened(file), [name, value]),
    fsync: (call, [file]) => this.#sync(call, this.#opened(file)),
    fdatasync: (call, [file]) => this.#sync(call, this.#opened(file)),
    syncfs: (call, [file]) => this.#sync(call, this.#isInside(descriptorPath(file)) ? "everything" : undefined),
    // Asks how writing went: that a file is on disk is not said by it, sync_file_range(2).
    sync_file_range: () => undefined,
  };

  #take(call: DiskCall): void {
    this.#end = Math.max(this.#end, call.ended);
    const words = call.args.split(", ");
    const effect = this.#effects[call.name];
    if (effect !== undefined) effect(call, words);
    // What is not followed would make this a liar; on other files, sockets and pipes it is none of its business.
    else if (words.some((word) => this.#isInside(descriptorPath(word)))) {
      throw new Error(`a call that is not followed: ${call.name}(${call.args.slice(0, 200)})`);
    }
  }

  #open(call: DiskCall, path: string, flags: string): void {
    this.#descriptors.set(`${call.thread} ${Number.parseInt(call.result, 10)}`, path);
    if (!this.#isInside(path)) return;
    const known = this.#find(path);
    const mode = modeOf(flags.split(", ")[1]);
    if (known === undefined && flags.includes("O_CREAT")) this.#make(call, path, { kind: "file", mode });
    if (known?.kind === "file" && flags.includes("O_TRUNC")) this.#resize(call, known, 0);
  }

  #make({ ended }: DiskCall, path: string, made: { kind: Inode["kind"]; mode: number; target?: string }): void {
    const dir = this.#find(dirname(path));
    if (dir === undefined) return;
    const fresh = { kind: made.kind, target: made.target ?? "" };
    this.#name(ended, [{ dir, name: basename(path), inode: fresh, gone: false }]);
    this.#add(ended, { kind: "mode", inode: fresh, mode: made.mode });
  }

  #link({ ended }: DiskCall, from: string, to: string): void {
    const [known, dir] = [this.#find(from), this.#find(dirname(to))];
    if (known === undefined || dir === undefined) return;
    this.#name(ended, [{ dir, name: basename(to), inode: known, gone: false }]);
  }

  /** One step: a file system that has half a rename on disk has none of it. */
  #rename({ ended }: DiskCall, from: string, to: string): void {
    const [known, old, dir] = [this.#find(from), this.#find(dirname(from)), this.#find(dirname(to))];
    if (known === undefined || old === undefined) return;
    const left: NameChange = { dir: old, name: basename(from), inode: known, gone: true };
    this.#name(ended, dir === undefined ? [left] : [left, { dir, name: basename(to), inode: known, gone: false }]);
  }

  #unlink({ ended }: DiskCall, path: string): void {
    const [known, dir] = [this.#find(path), this.#find(dirname(path))];
    // What the kernel itself made, an overlay's own directory say, is not known.
    if (known === undefined || dir === undefined) return;
    this.#name(ended, [{ dir, name: basename(path), inode: known, gone: true }]);
  }

  #write(call: DiskCall, descriptor: string | undefined, offset?: number): void {
    const file = this.#opened(descriptor);
    if (file?.kind === "file") this.#bytes(call.ended, file, offset ?? this.#files.get(file)?.size ?? 0, dataOf(call));
  }

  #copy(call: DiskCall, from: string | undefined, to: string | undefined): void {
    const target = this.#opened(to);
    if (target === undefined) return;
    const source = this.#files.get(this.#opened(from) ?? this.#top);
    if (source === undefined) throw new Error(`a copy of bytes that are not known: ${call.args}`);
    // Neither file is at an offset of its own: what is copied goes on where the copy ends.
    const offset = this.#files.get(target)?.size ?? 0;
    const data = bytesOf(source).slice(offset, offset + Number.parseInt(call.result, 10));
    this.#bytes(call.ended, target, offset, data);
  }

  #bytes(at: number, file: Inode, offset: number, data: Uint8Array): void {
    if (data.byteLength === 0) return;
    this.#add(at, { kind: "bytes", inode: file, offset, data });
    this.#files.set(file, overwrite(this.#files.get(file), offset, data));
  }

  #resize({ ended }: DiskCall, file: Inode | undefined, size: number): void {
    if (file === undefined) return;
    this.#add(ended, { kind: "size", inode: file, size });
    this.#files.set(file, resize(this.#files.get(file), size));
  }

  #chmod({ ended }: DiskCall, found: Inode | undefined, mode: string | undefined): void {
    if (found !== undefined) this.#add(ended, { kind: "mode", inode: found, mode: modeOf(mode) });
  }

  #acl({ ended }: DiskCall, found: Inode | undefined, words: readonly (string | undefined)[]): void {
    const [name, value] = words;
    if (found === undefined || textOf(name) !== "system.posix_acl_access") return;
    // Setuid and its like are not in the list.
    const special = (this.#modes.get(found) ?? 0) & 0o7000;
    this.#add(ended, { kind: "mode", inode: found, mode: special | modeOfAcl(fromHex(value ?? "")) });
  }

  #name(at: number, names: readonly NameChange[]): void {
    this.#add(at, { kind: "names", names });
    for (const { dir, name, inode: meant, gone } of names) {
      const entries = this.#entries(dir);
      if (gone) entries.delete(name);
      else entries.set(name, meant);
    }
  }

  #add(at: number, change: Change): void {
    if (change.kind === "mode") this.#modes.set(change.inode, change.mode);
    this.#steps.push({ at, durableAt: at < 0 ? -1 : Number.POSITIVE_INFINITY, change });
  }

  /** A sync speaks for what had ended when it began. */
  #sync({ began, ended }: DiskCall, what: Inode | "everything" | undefined): void {
    if (what === undefined) return;
    const pending = this.#steps.filter((step) => step.at < began && step.durableAt === Number.POSITIVE_INFINITY);
    for (const step of pending) if (what === "everything" || touches(step.change, what)) step.durableAt = ended;
    this.#syncs.push(ended);
  }

  #entries(dir: Inode): Map<string, Inode> {
    const entries = this.#names.get(dir) ?? new Map<string, Inode>();
    this.#names.set(dir, entries);
    return entries;
  }

  #isInside(path: string): boolean {
    return path === this.#root || path.startsWith(`${this.#root}/`);
  }

  #opened(descriptor: string | undefined): Inode | undefined {
    return this.#find(descriptorPath(descriptor));
  }

  #find(path: string): Inode | undefined {
    if (!this.#isInside(path)) return undefined;
    let found: Inode | undefined = this.#top;
    for (const name of path.slice(this.#root.length).split("/").filter(Boolean)) {
      found = found === undefined ? undefined : this.#names.get(found)?.get(name);
    }
    return found;
  }

  /** `/proc/self/fd/N`: the descriptor that this thread opened last by that number. */
  #throughDescriptor({ thread }: DiskCall, path: string): string {
    const number = /^\/proc\/self\/fd\/(\d+)$/.exec(path)?.[1];
    return number === undefined ? path : (this.#descriptors.get(`${thread} ${number}`) ?? path);
  }
}

function kindOf(stats: Stats): Inode["kind"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "link" : "other";
}

function touches(change: Change, what: Inode): boolean {
  if (change.kind === "names") return change.names.some(({ dir }) => dir === what);
  return change.inode === what;
}

function linkTo(target: string | undefined) {
  return { kind: "link", mode: 0o777, target: textOf(target) } as const;
}

function modeOf(text: string | undefined): number {
  return Number.parseInt(text ?? "", 8) || 0o600;
}

/** The three entries that every list has, as a mode: a version, then tag, permissions and id of each. */
function modeOfAcl(acl: Buffer): number {
  const shifts = new Map([
    [0x01, 6],
    [0x04, 3],
    [0x20, 0],
  ]);
  let mode = 0;
  for (let at = 4; at + 8 <= acl.byteLength; at += 8) {
    const shift = shifts.get(acl.readUInt16LE(at));
    if (shift !== undefined) mode |= acl.readUInt16LE(at + 2) << shift;
  }
  return mode;
}

/** Strings are in hexadecimal, `\x2f\x74`; what is longer than strace was told to print ends in dots. */
function fromHex(text: string): Buffer {
  if (text.endsWith("...")) throw new Error("strace cut a string off");
  return Buffer.from(text.replace(/^"|"$/g, "").replaceAll("\\x", ""), "hex");
}

function textOf(text: string | undefined): string {
  return fromHex(text ?? "").toString("latin1");
}

/** Paths that are not below a descriptor are absolute in everything that is started here. */
function pathAt(dir: string | undefined, text: string | undefined): string {
  return resolve(descriptorPath(dir), textOf(text));
}

/** The path that strace puts behind a descriptor: `3<…>`, `AT_FDCWD<…>`; "" for one that is deleted, or no file. */
function descriptorPath(text: string | undefined): string {
  const inner = /^[^<]*<((?:\\x[0-9a-f]{2})+)>$/.exec(text ?? "")?.[1];
  return inner === undefined ? "" : textOf(inner);
}

function dataOf({ args, result }: DiskCall): Uint8Array {
  const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g)];
  const data = Buffer.concat(strings.map(([, text = "", cut]) => fromHex(`${text}${cut ?? ""}`)));
  return data.subarray(0, Number.parseInt(result, 10));
}
