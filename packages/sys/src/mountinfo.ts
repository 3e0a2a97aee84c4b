/** One line of /proc/self/mountinfo. proc(5). */
export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  readonly major: number;
  readonly minor: number;
  /** Path within the file system that is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** The mounts this process sees, oldest first. */
export function listMounts(): readonly MountEntry[] {
  return parseMountInfo(process.getBuiltinModule("node:fs").readFileSync("/proc/self/mountinfo", "utf8"));
}

/** The mounts exactly on `path`, undermost first; links in `path` are followed. */
export function mountPointsAt(path: string): readonly MountEntry[] {
  const { existsSync, realpathSync } = process.getBuiltinModule("node:fs");
  const real = existsSync(path) ? realpathSync(path) : path;
  return listMounts().filter((entry) => entry.mountPoint === real);
}

/** Reads mountinfo text; a line that is none is left out. */
export function parseMountInfo(text: string): readonly MountEntry[] {
  return text.split("\n").flatMap((line) => parseLine(line) ?? []);
}

function parseLine(line: string): MountEntry | undefined {
  // Optional fields stand between the sixth and a lone dash.
  const [before = "", after = ""] = line.split(" - ");
  const [id, parent, device, root, mountPoint, options] = before.split(" ");
  const [type, source, superOptions] = after.split(" ");
  if (mountPoint === undefined || options === undefined || source === undefined) return undefined;
  const [major = "0", minor = "0"] = (device ?? "").split(":");
  return {
    id: Number(id),
    parent: Number(parent),
    major: Number(major),
    minor: Number(minor),
    root: decodeOctal(root ?? ""),
    mountPoint: decodeOctal(mountPoint),
    options: options.split(","),
    type: type ?? "",
    source: decodeOctal(source),
    superOptions: (superOptions ?? "").split(","),
  };
}

/** The kernel writes blank, tab, newline and backslash as three octal digits. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
