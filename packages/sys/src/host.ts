import { fileError } from "./file-error.ts";

/** What a path on this machine is, as a container's devices need it. */
export type PathEntry =
  | { readonly kind: "device"; readonly device: DeviceNumbers }
  | { readonly kind: "directory"; readonly names: readonly string[] }
  | { readonly kind: "other" };

/** A device node, or a FIFO among them. */
export interface DeviceNumbers {
  readonly type: "b" | "c" | "p";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The machine's name, as the kernel has it. */
export function getHostname(): string {
  return process.getBuiltinModule("node:fs").readFileSync("/proc/sys/kernel/hostname", "utf8").trimEnd();
}

/** Major and minor version of the running kernel. */
export function getKernelVersion(): readonly [number, number] {
  const text = process.getBuiltinModule("node:fs").readFileSync("/proc/sys/kernel/osrelease", "utf8");
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major), Number(minor)];
}

/**
 * What stands at `path`; a link to a device is no device, to a directory it is one, as the Go tools see them. Throws an
 * error with Go's words: `stat /x: no such file or directory`.
 */
export function readPathEntry(path: string): PathEntry {
  const { lstatSync, readdirSync, statSync } = process.getBuiltinModule("node:fs");
  const followed = named("stat", path, () => statSync(path));
  const stats = followed.isDirectory() ? followed : lstatSync(path);
  if (stats.isDirectory()) return { kind: "directory", names: named("open", path, () => readdirSync(path).sort()) };
  const type = stats.isBlockDevice() ? "b" : stats.isCharacterDevice() ? "c" : stats.isFIFO() ? "p" : undefined;
  if (type === undefined) return { kind: "other" };
  const { uid, gid } = stats;
  return { kind: "device", device: { type, ...splitDevice(stats.rdev), mode: stats.mode & 0o7777, uid, gid } };
}

/** Linux packs a device number into 64 bits: gnu_dev_major and gnu_dev_minor of sysmacros.h. */
export function splitDevice(rdev: number): { readonly major: number; readonly minor: number } {
  const bits = BigInt(rdev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

function named<T>(call: "open" | "stat", path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(call, path, error);
  }
}
