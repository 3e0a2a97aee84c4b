import { dirname, join, resolve } from "node:path";
import { listMounts, type MountEntry, parseMountInfo } from "./mountinfo.ts";

/** Links that the kernel follows in one path; path_resolution(7). */
const MAX_LINKS = 40;
/** open(2): a place in the tree, not the file. Node has no name for it. */
const O_PATH = 0o10000000;

/** A directory as the kernel tells it apart, whatever paths lead to it. */
interface Place {
  /** The mount it is reached through. */
  readonly mount: number;
  /** Its file system, and where in it; undefined where the mount is another namespace's. */
  readonly within: FileSystemPath | undefined;
}

interface FileSystemPath {
  readonly device: string;
  readonly path: string;
}

/**
 * A process for which `path`, or a directory or link on the way to it, is in the root filesystem: of a container then, of
 * whichever engine. What is mounted there would show inside, and who is inside chooses where the path leads. Our own root and
 * the first process's are the host's. undefined also for a path that leads nowhere.
 */
export function processRootedAbove(path: string): number | undefined {
  const mounts = listMounts();
  const places = [...passed(path), path].flatMap((each) => placeOf(each, mounts) ?? []);
  const hosts = [mounts, mountsOf(1)].flatMap((each) => rootOf(each) ?? []);
  for (const { pid, mounts: theirs } of foreignNamespaces()) {
    const root = rootOf(theirs);
    const rooted = root !== undefined && !hosts.some((host) => isInside(host, root) && isInside(root, host));
    if (rooted && places.some(({ within }) => within !== undefined && isInside(within, root))) return pid;
    if (places.some(({ mount, within }) => within === undefined && theirs.some(({ id }) => id === mount))) return pid;
  }
  return undefined;
}

/** Every directory and link that the kernel passes, links followed as it follows them; those of /proc it alone can. */
function* passed(path: string): Generator<string> {
  const ahead = names(resolve(path));
  let at = "/";
  for (let links = 0; links < MAX_LINKS; ) {
    const name = ahead.shift();
    if (name === undefined) return;
    const next = name === ".." ? dirname(at) : join(at, name);
    const target = linkAt(next);
    if (target === undefined) at = next;
    else {
      links++;
      ahead.unshift(...names(target));
      if (target.startsWith("/")) at = "/";
    }
    yield at;
  }
}

function names(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function linkAt(path: string): string | undefined {
  try {
    return process.getBuiltinModule("node:fs").readlinkSync(path);
  } catch {
    // No link, or nothing at all, which whoever mounts there is told.
    return undefined;
  }
}

function placeOf(path: string, mounts: readonly MountEntry[]): Place | undefined {
  const { closeSync, openSync, readFileSync, readlinkSync } = process.getBuiltinModule("node:fs");
  let fd: number;
  try {
    fd = openSync(path, O_PATH);
  } catch {
    // It is not there, or not for us to see.
    return undefined;
  }
  try {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    const mount = Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]);
    const entry = mounts.find(({ id }) => id === mount);
    const below = names(readlinkSync(`/proc/self/fd/${fd}`)).slice(names(entry?.mountPoint ?? "").length);
    const within = entry && { device: deviceOf(entry), path: join(entry.root, ...below) };
    return { mount, within };
  } finally {
    closeSync(fd);
  }
}

/** One process of each mount namespace that is not ours. */
function* foreignNamespaces(): Generator<{ readonly pid: number; readonly mounts: readonly MountEntry[] }> {
  const { readdirSync } = process.getBuiltinModule("node:fs");
  const seen = new Set([linkAt("/proc/self/ns/mnt")]);
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const namespace = linkAt(`/proc/${name}/ns/mnt`);
    if (namespace === undefined || seen.has(namespace)) continue;
    seen.add(namespace);
    yield { pid: Number(name), mounts: mountsOf(Number(name)) };
  }
}

function mountsOf(pid: number): readonly MountEntry[] {
  try {
    return parseMountInfo(process.getBuiltinModule("node:fs").readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
  } catch {
    // It has ended, or is another user's: who may mount may read this.
    return [];
  }
}

/** The topmost of the mounts on `/`. */
function rootOf(mounts: readonly MountEntry[]): FileSystemPath | undefined {
  const entry = mounts.findLast(({ mountPoint }) => mountPoint === "/");
  return entry && { device: deviceOf(entry), path: entry.root };
}

function deviceOf({ major, minor }: MountEntry): string {
  return `${major}:${minor}`;
}

function isInside(one: FileSystemPath, other: FileSystemPath): boolean {
  const below = other.path.replace(/\/$/, "");
  return one.device === other.device && (one.path === other.path || one.path.startsWith(`${below}/`));
}
