/** Flags of mount(2), from linux/mount.h. */
const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  REC: 16384,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
} as const;

/** Options that set a flag. */
const setters: Readonly<Record<string, number>> = {
  bind: MS.BIND,
  dirsync: MS.DIRSYNC,
  mand: MS.MANDLOCK,
  noatime: MS.NOATIME,
  nodev: MS.NODEV,
  nodiratime: MS.NODIRATIME,
  noexec: MS.NOEXEC,
  nosuid: MS.NOSUID,
  rbind: MS.BIND | MS.REC,
  relatime: MS.RELATIME,
  remount: MS.REMOUNT,
  ro: MS.RDONLY,
  strictatime: MS.STRICTATIME,
  sync: MS.SYNCHRONOUS,
};

/** Options that clear one, or say what is so anyway. */
const clearers: Readonly<Record<string, number>> = {
  async: MS.SYNCHRONOUS,
  atime: MS.NOATIME,
  defaults: 0,
  dev: MS.NODEV,
  diratime: MS.NODIRATIME,
  exec: MS.NOEXEC,
  nomand: MS.MANDLOCK,
  norelatime: MS.RELATIME,
  nostrictatime: MS.STRICTATIME,
  rw: MS.RDONLY,
  suid: MS.NOSUID,
};

/** Propagation takes a call of its own. */
const propagations: Readonly<Record<string, number>> = {
  private: MS.PRIVATE,
  rprivate: MS.PRIVATE | MS.REC,
  rshared: MS.SHARED | MS.REC,
  rslave: MS.SLAVE | MS.REC,
  runbindable: MS.UNBINDABLE | MS.REC,
  shared: MS.SHARED,
  slave: MS.SLAVE,
  unbindable: MS.UNBINDABLE,
};

export interface MountFlags {
  readonly flags: number;
  /** What the file system itself takes, in order. */
  readonly data: readonly string[];
  readonly propagation: readonly number[];
}

/** Sorts a mount's options into flags, data and propagation, as containerd reads them. */
export function parseMountOptions(options: readonly string[]): MountFlags {
  let flags = 0;
  const data: string[] = [];
  const propagation: number[] = [];
  for (const option of options) {
    const set = setters[option];
    const clear = clearers[option];
    const spread = propagations[option];
    if (set !== undefined) flags |= set;
    else if (clear !== undefined) flags &= ~clear;
    else if (spread !== undefined) propagation.push(spread);
    else data.push(option);
  }
  return { flags, data, propagation };
}

/** Whether `flags` ask for a read-only bind: the kernel wants that in two steps. */
export function isReadOnlyBind(flags: number): boolean {
  return (flags & MS.BIND) !== 0 && (flags & MS.RDONLY) !== 0 && (flags & MS.REMOUNT) === 0;
}

/** The flags of the first step of a read-only bind, and of the second. */
export function readOnlyBindSteps(flags: number): readonly [number, number] {
  return [flags & ~MS.RDONLY, (flags & ~MS.REC) | MS.REMOUNT];
}

/**
 * Shortens an overlay's data: when every lower directory lies below one, the mount can be made from there with
 * relative names. Undefined when there is nothing to gain.
 */
export function compactOverlay(
  data: readonly string[],
): { readonly dir: string; readonly data: readonly string[] } | undefined {
  const index = data.findIndex((option) => option.startsWith("lowerdir="));
  const lower = data[index]?.slice("lowerdir=".length).split(":") ?? [];
  const dir = commonDir(lower);
  if (dir === undefined) return undefined;
  const relative = lower.map((path) => path.slice(dir.length + 1)).join(":");
  return { dir, data: data.with(index, `lowerdir=${relative}`) };
}

function commonDir(paths: readonly string[]): string | undefined {
  const [first, ...rest] = paths;
  if (first === undefined || rest.length === 0 || !first.startsWith("/")) return undefined;
  let dir = first.slice(0, first.lastIndexOf("/"));
  while (dir !== "" && !rest.every((path) => path.startsWith(`${dir}/`))) dir = dir.slice(0, dir.lastIndexOf("/"));
  return dir === "" ? undefined : dir;
}
