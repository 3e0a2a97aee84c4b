import { ContainerdError } from "@ctr/api";
import { type FileTime, printable, type Tree, type TreeStat } from "@ctr/sys";
import { type LayerMember, tarEnd, tarHeader, tarPadding } from "./tar-format.ts";
import { type TreeChange, treeChanges } from "./tree-changes.ts";
import { WHITEOUT_PREFIX } from "./whiteout.ts";

export interface LayerStreamOptions {
  readonly signal: AbortSignal;
  /** Later modification times are set back to this one: SOURCE_DATE_EPOCH of reproducible-builds.org. */
  readonly sourceDateEpoch?: FileTime | undefined;
}

const CHUNK_BYTES = 256 * 1024;
/** Entries looked at before others get a turn, when nothing is written meanwhile. */
const ENTRIES_PER_TURN = 500;
const EPOCH: FileTime = { seconds: 0, nanos: 0 };

const typeFlags = { file: "0", symlink: "2", character: "3", block: "4", directory: "5", fifo: "6" } as const;

/**
 * The layer that turns `lower` into `upper`, as an uncompressed tar; the same trees give the same bytes. Order, headers
 * and whiteouts are containerd's (engine reference, section 9.2).
 */
export async function* layerStream(
  lower: Tree,
  upper: Tree,
  options: LayerStreamOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = new ChangeWriter(upper, options.sourceDateEpoch);
  const gathered = new Gatherer();
  let entries = 0;
  for (const change of treeChanges(lower, upper)) {
    options.signal.throwIfAborted();
    for (const bytes of writer.write(change)) yield* gathered.add(bytes);
    if (++entries % ENTRIES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  options.signal.throwIfAborted();
  yield* gathered.add(tarEnd());
  yield* gathered.rest();
}

/** Makes chunks out of headers. */
class Gatherer {
  #parts: Uint8Array[] = [];
  #length = 0;

  *add(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    this.#parts.push(bytes);
    this.#length += bytes.byteLength;
    if (this.#length >= CHUNK_BYTES) yield* this.rest();
  }

  *rest(): Generator<Uint8Array, void, undefined> {
    if (this.#length > 0) yield Buffer.concat(this.#parts, this.#length);
    this.#parts = [];
    this.#length = 0;
  }
}

/** Turns changes into members; knows which directories are in the layer already, and which names share a file. */
class ChangeWriter {
  readonly #tree: Tree;
  readonly #latest: FileTime | undefined;
  readonly #directories = new Set<string>();
  /** By the file's identity: the name it stands under in this layer. */
  readonly #sources = new Map<string, string>();
  /** By the file's identity: unchanged names of it that came before any changed one. */
  readonly #waiting = new Map<string, string[]>();

  constructor(tree: Tree, latest: FileTime | undefined) {
    this.#tree = tree;
    this.#latest = latest;
  }

  *write(change: TreeChange): Generator<Uint8Array, void, undefined> {
    if (change.kind === "removed") yield* this.#whiteout(change.path);
    else if (change.stat.kind !== "socket") yield* this.#entry(change.kind, change.path, change.stat);
  }

  *#whiteout(path: string): Generator<Uint8Array, void, undefined> {
    const slash = path.lastIndexOf("/") + 1;
    yield* this.#parents(path);
    const name = `${path.slice(0, slash)}${WHITEOUT_PREFIX}${path.slice(slash)}`;
    const ids = { uid: 0, gid: 0, major: 0, minor: 0 };
    yield tarHeader({ name, linkName: "", typeFlag: "0", mode: 0, size: 0, mtime: EPOCH, xattrs: [], ...ids });
  }

  *#entry(kind: "added" | "modified" | "linked", path: string, stat: TreeStat): Generator<Uint8Array, void, undefined> {
    const isShared = stat.kind !== "directory" && stat.links > 1;
    const source = isShared ? this.#sources.get(stat.identity) : undefined;
    if (source !== undefined) {
      yield* this.#link(path, source, stat);
      return;
    }
    if (kind === "linked") {
      this.#waiting.set(stat.identity, [...(this.#waiting.get(stat.identity) ?? []), path]);
      return;
    }
    yield* this.#parents(path);
    yield* this.#content(path, stat);
    if (!isShared) return;
    this.#sources.set(stat.identity, path);
    for (const other of this.#waiting.get(stat.identity) ?? []) yield* this.#link(other, path, stat);
    this.#waiting.delete(stat.identity);
  }

  *#link(path: string, source: string, stat: TreeStat): Generator<Uint8Array, void, undefined> {
    yield* this.#parents(path);
    yield tarHeader({ ...this.#member(path, stat), typeFlag: "1", linkName: source, size: 0 });
  }

  *#content(path: string, stat: TreeStat): Generator<Uint8Array, void, undefined> {
    const member = this.#member(path, stat);
    if (stat.kind === "directory") this.#directories.add(path);
    yield tarHeader(member);
    if (member.size === 0) return;
    yield* this.#fileBytes(path, member.size);
    yield tarPadding(member.size);
  }

  #member(path: string, stat: TreeStat): LayerMember {
    const { dir, name } = this.#locate(path);
    const capability = this.#tree.xattr(dir, name, "security.capability");
    // Sockets are left out before, so the type has a flag.
    const typeFlag = stat.kind === "socket" ? "0" : typeFlags[stat.kind];
    const isDevice = stat.kind === "character" || stat.kind === "block";
    return {
      name: stat.kind === "directory" ? `${path}/` : path,
      linkName: stat.kind === "symlink" ? this.#tree.readLink(dir, name) : "",
      typeFlag,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      size: stat.kind === "file" ? stat.size : 0,
      mtime: this.#clamp(stat.mtime),
      major: isDevice ? stat.major : 0,
      minor: isDevice ? stat.minor : 0,
      xattrs: capability === undefined || capability.value.byteLength === 0 ? [] : [capability],
    };
  }

  /** Directories above a member, unchanged ones too, once each and from the top: a reader gets their attributes. */
  *#parents(path: string): Generator<Uint8Array, void, undefined> {
    for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1)) {
      const parent = path.slice(0, end);
      if (this.#directories.has(parent)) continue;
      const { dir, name } = this.#locate(parent);
      const stat = this.#tree.stat(dir, name);
      if (stat === undefined) throw changed(parent);
      yield* this.#content(parent, stat);
    }
  }

  *#fileBytes(path: string, size: number): Generator<Uint8Array, void, undefined> {
    const { readSync } = process.getBuiltinModule("node:fs");
    const { dir, name } = this.#locate(path);
    const fd = this.#tree.openFile(dir, name);
    try {
      for (let offset = 0; offset < size; ) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size - offset));
        const length = readSync(fd, chunk, 0, chunk.byteLength, offset);
        if (length === 0) throw changed(path);
        offset += length;
        yield chunk.subarray(0, length);
      }
    } finally {
      this.#tree.close(fd);
    }
  }

  #locate(path: string) {
    const slash = path.lastIndexOf("/");
    return { dir: this.#tree.open(path.slice(0, Math.max(slash, 0))), name: path.slice(slash + 1) };
  }

  #clamp(time: FileTime): FileTime {
    const latest = this.#latest;
    if (latest === undefined || time.seconds < latest.seconds) return time;
    return time.seconds === latest.seconds && time.nanos <= latest.nanos ? time : latest;
  }
}

function changed(path: string): ContainerdError {
  const why = "it changed while it was read";
  return new ContainerdError({ code: "unknown", what: "cannot compare trees", where: { path: printable(path) }, why });
}
