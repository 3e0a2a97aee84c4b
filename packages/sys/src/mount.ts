import { callLibc, cString, ErrnoError, hasLibc } from "./libc.ts";
import {
  compactOverlay,
  isReadOnlyBind,
  type MountFlags,
  parseMountOptions,
  readOnlyBindSteps,
} from "./mount-options.ts";
import { mountPointsAt } from "./mountinfo.ts";
import { openRoot } from "./rootfs.ts";

/** A file system to mount, as containerd hands it out. */
export interface MountRequest {
  readonly type: string;
  readonly source: string;
  /** Below where the list is mounted; "" for there itself. */
  readonly target: string;
  readonly options: readonly string[];
}

/** mount(2) takes one page of data, and the length is checked with room for the rest. */
const PAGE_BYTES = 4096;
const COMPACT_ABOVE_BYTES = PAGE_BYTES - 512;
/** umount2: do not follow a link at the end of the path. */
const UMOUNT_NOFOLLOW = 8;
/** umount2: take it out of the tree now, let go of it when nobody uses it. */
const MNT_DETACH = 2;
/** A busy mount is tried this often, this far apart: what containerd does. */
const BUSY_TRIES = 50;
const BUSY_WAIT_MS = 50;

/**
 * Mounts a list on `target`, in order; what was mounted is taken down again when one fails. Needs privilege. Throws
 * `ErrnoError`.
 */
export async function mountAll(mounts: readonly MountRequest[], target: string): Promise<void> {
  const done: string[] = [];
  try {
    for (const mount of mounts) {
      const at = await resolveTarget(target, mount.target);
      mountOne(mount, at);
      done.push(at);
    }
  } catch (error) {
    for (const at of done.reverse()) await unmount(at);
    throw error;
  }
}

/**
 * `mounts` made harmless to look at: an overlay without its writable layer, anything else read-only; options that
 * only serve speed of writing are dropped.
 */
export function readOnlyMounts(mounts: readonly MountRequest[]): readonly MountRequest[] {
  return mounts.map((mount) => ({
    ...mount,
    options: mount.type === "overlay" ? readOnlyOverlay(mount.options) : readOnlyOptions(mount.options),
  }));
}

/** Unmounts what is on `path`, layer by layer, until nothing is. Nothing mounted is no error. */
export async function unmountAll(path: string, options: { readonly detach?: boolean } = {}): Promise<void> {
  while (mountPointsAt(path).length > 0) await unmount(path, options);
}

/** Unmounts the topmost mount on `path`, waiting a little while it is busy. */
export async function unmount(path: string, options: { readonly detach?: boolean } = {}): Promise<void> {
  const flags = UMOUNT_NOFOLLOW | (options.detach === true ? MNT_DETACH : 0);
  for (let attempt = 1; ; attempt++) {
    try {
      return unmountOnce(path, flags);
    } catch (error) {
      const busy = error instanceof ErrnoError && error.code === "EBUSY";
      if (!busy || attempt === BUSY_TRIES) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
  }
}

function mountOne(mount: MountRequest, target: string): void {
  const parsed = parseMountOptions(mount.options);
  const managed = mount.options.find((option) => option.startsWith("X-containerd."));
  if (managed !== undefined) throw new ErrnoError("mount", 22, `${target}: option ${managed} is for the mount manager`);
  if (hasLibc()) mountByLibc(mount, target, parsed);
  else mountByTool(mount, target);
}

function mountByLibc(mount: MountRequest, target: string, parsed: MountFlags): void {
  const [first, second] = isReadOnlyBind(parsed.flags) ? readOnlyBindSteps(parsed.flags) : [parsed.flags, undefined];
  const length = parsed.data.join(",").length;
  const compact = mount.type === "overlay" && length >= COMPACT_ABOVE_BYTES ? compactOverlay(parsed.data) : undefined;
  const data = (compact?.data ?? parsed.data).join(",");
  if (data.length >= PAGE_BYTES) throw new ErrnoError("mount", 36, `${target}: mount options is too long`);
  const call = () => mountCall({ ...mount, target }, first, data);
  if (compact === undefined) call();
  else inDirectory(compact.dir, call);
  if (second !== undefined) mountCall({ ...mount, target }, second, data);
  for (const flags of parsed.propagation) mountCall({ type: "", source: "", target }, flags, "");
}

function mountCall(mount: Omit<MountRequest, "options">, flags: number, data: string): void {
  const { type, source, target } = mount;
  const text = (value: string) => (value === "" ? null : cString(value));
  const args = [text(source), cString(target), text(type), flags, text(data)];
  callLibc("mount", args, `${source} on ${target}`);
}

/** Runs `work`, which must not wait, in another directory. */
function inDirectory(dir: string, work: () => void): void {
  const before = process.cwd();
  process.chdir(dir);
  try {
    work();
  } finally {
    process.chdir(before);
  }
}

/** util-linux's tool knows the same options, and does a read-only bind in its two steps. */
function mountByTool(mount: MountRequest, target: string): void {
  const { execFileSync } = process.getBuiltinModule("node:child_process");
  const bind = mount.options.some((option) => option === "bind" || option === "rbind");
  const type = bind || mount.type === "" ? [] : ["-t", mount.type];
  const options = mount.options.length === 0 ? [] : ["-o", mount.options.join(",")];
  execFileSync("mount", [...type, ...options, "--", mount.source, target], { stdio: ["ignore", "ignore", "pipe"] });
}

function unmountOnce(path: string, flags: number): void {
  if (hasLibc()) {
    callLibc("umount2", [cString(path), flags], path);
    return;
  }
  const { execFileSync } = process.getBuiltinModule("node:child_process");
  const lazy = (flags & MNT_DETACH) === 0 ? [] : ["--lazy"];
  execFileSync("umount", [...lazy, "--no-canonicalize", "--", path], { stdio: ["ignore", "ignore", "pipe"] });
}

/** A mount below the target lands inside it whatever links the tree has. */
async function resolveTarget(target: string, below: string): Promise<string> {
  if (below === "" || below === "/") return target;
  await using root = await openRoot(target);
  return await root.resolve(below);
}

function readOnlyOverlay(options: readonly string[]): readonly string[] {
  const dropped = /^(upperdir|workdir|uidmap|gidmap)=|^(rw|volatile|fsync=volatile)$/;
  const upper = options.find((option) => option.startsWith("upperdir="))?.slice("upperdir=".length);
  return options
    .filter((option) => !dropped.test(option))
    .map((option) =>
      upper !== undefined && option.startsWith("lowerdir=")
        ? `lowerdir=${upper}:${option.slice("lowerdir=".length)}`
        : option,
    );
}

function readOnlyOptions(options: readonly string[]): readonly string[] {
  return [...options.filter((option) => !["rw", "ro", "volatile", "fsync=volatile"].includes(option)), "ro"];
}
