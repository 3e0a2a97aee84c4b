import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import { mountAll, unmountAll } from "@ctr/sys";
import type { LayerTarget } from "./layer-target.ts";

/** A directory that shows what a list of mounts shows. Disposing takes down what was mounted for it. */
export interface MountedTree extends AsyncDisposable {
  readonly dir: string;
}

export interface MountedOptions {
  /** Directory for mount points; trusted. */
  readonly workDir: string;
}

/** Where a layer goes, and what to take down afterwards. */
export interface MountedTarget extends AsyncDisposable {
  readonly target: LayerTarget;
}

/** Options of a bind mount that leave its source as good as the mount. */
const plainBindOptions: ReadonlySet<string> = new Set(["bind", "rbind", "rw", "defaults"]);

/**
 * Finds where a layer over `mounts` goes, as containerd does: straight into the upper directory of an overlay, with
 * overlayfs's own whiteouts; else into the mounts, where whiteouts delete. A plain bind mount's source serves without
 * mounting. Without `lower` the overlay's lower directories are not looked at: see `completeImplied`.
 */
export async function openTarget(
  mounts: readonly Mount[],
  options: MountedOptions & { readonly lower: boolean },
): Promise<MountedTarget> {
  const privileged = isPrivileged();
  const overlay = overlayDirs(mounts);
  // Overlay's whiteouts cannot be made in a user namespace: there the file system itself has to.
  if (overlay !== undefined && privileged) {
    const { upper: dir, lower } = overlay;
    const target = { dir, whiteouts: "overlay", privileged, ...(options.lower ? { lower } : {}) } as const;
    return { target, [Symbol.asyncDispose]: async () => undefined };
  }
  const mounted = await openMounted(mounts, options);
  const target = { dir: mounted.dir, whiteouts: "delete", privileged } as const;
  return { target, [Symbol.asyncDispose]: () => mounted[Symbol.asyncDispose]() };
}

/** Shows `mounts`: the source of one plain bind mount, or all of them on a directory of their own. */
export async function openMounted(mounts: readonly Mount[], options: MountedOptions): Promise<MountedTree> {
  const source = plainBindSource(mounts);
  if (source !== undefined) {
    checkSource(source);
    return { dir: source, [Symbol.asyncDispose]: async () => undefined };
  }
  const { mkdtempSync, mkdirSync, rmdirSync } = process.getBuiltinModule("node:fs");
  mkdirSync(options.workDir, { recursive: true, mode: 0o700 });
  const dir = mkdtempSync(`${options.workDir}/containerd-mount`);
  try {
    await mountAll(mounts.map(withoutVolatile), dir);
  } catch (error) {
    rmdirSync(dir);
    throw error;
  }
  let disposed = false;
  return {
    dir,
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      await unmountAll(dir);
      rmdirSync(dir);
    },
  };
}

/** As containerd, which mounts it: a source that is not there is no `not_found`, which would mean the layer. */
function checkSource(source: string): void {
  const { statSync } = process.getBuiltinModule("node:fs");
  if (statSync(source, { throwIfNoEntry: false }) !== undefined) return;
  const why = "no such file or directory";
  throw new ContainerdError({ code: "unknown", what: "failed to mount", where: { source }, why });
}

/** Upper and lower directories of a single overlay mount; the topmost lower one first. */
export function overlayDirs(
  mounts: readonly Mount[],
): { readonly upper: string; readonly lower: readonly string[] } | undefined {
  const [mount] = mounts;
  if (mounts.length !== 1 || mount?.type !== "overlay") return undefined;
  const value = (key: string) => mount.options.find((option) => option.startsWith(key))?.slice(key.length);
  const upper = value("upperdir=");
  if (upper === undefined || upper === "") return undefined;
  return { upper, lower: value("lowerdir=")?.split(":") ?? [] };
}

function plainBindSource(mounts: readonly Mount[]): string | undefined {
  const [mount] = mounts;
  if (mounts.length !== 1 || mount === undefined || mount.target !== "") return undefined;
  const isBind =
    mount.type === "bind" || mount.type === "rbind" || mount.options.some((option) => /^r?bind$/.test(option));
  return isBind && mount.options.every((option) => plainBindOptions.has(option)) ? mount.source : undefined;
}

/** `volatile` lets the kernel refuse the next mount of the same directories; a temporary mount must not leave that. */
function withoutVolatile(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => !["volatile", "fsync=volatile"].includes(option)) };
}

/** Root, and of the first user namespace: `0 0 4294967295` in /proc/self/uid_map. Only then overlay's whiteouts work. */
export function isPrivileged(): boolean {
  if (process.geteuid?.() !== 0) return false;
  const map = process.getBuiltinModule("node:fs").readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/);
  return map.join(" ") === "0 0 4294967295";
}
