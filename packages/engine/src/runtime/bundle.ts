import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ContainerdError, type protobufAny, type runcOptions } from "@ctr/api";
import { listMounts, unmountAll } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { hasErrno } from "../store/disk-error.ts";
import { type ShimAddress, shimAddressFromFiles, socketPathOf } from "./shim-address.ts";
import type { TaskPaths } from "./task-paths.ts";

export interface BundleContents {
  readonly spec: protobufAny.Any;
  /** Of a runc shim: what its `delete` needs to know of the runc to call, should it never get as far as `Create`. */
  readonly runc: runcOptions.Options | undefined;
}

/**
 * Makes the directory that a shim runs in, with all that it needs to start. `log` is a regular file: a FIFO would need a
 * reader for as long as the shim lives, and without any `log` the shim dies. Engine reference: 11.3, 11.4.
 */
export function makeBundle(paths: TaskPaths, shimBinary: string): void {
  const { bundle, rootfs, work } = paths;
  makeDirectory(bundle, 0o700);
  failpoint("bundle.made");
  mkdirSync(rootfs, { mode: 0o711 });
  // One that a killed process left is as good.
  if (!existsSync(work)) makeDirectory(work, 0o711);
  symlinkSync(work, join(bundle, "work"));
  writeFileSync(join(bundle, "log"), "", { mode: 0o600 });
  writeFileSync(join(bundle, "shim-binary-path"), shimBinary, { mode: 0o600 });
}

/** What a shim wants to find in its bundle when it is asked to create the container. */
export function fillBundle(paths: TaskPaths, { spec, runc }: BundleContents): void {
  const { bundle } = paths;
  writeFileSync(join(bundle, "config.json"), ownCgroup(spec.value, paths), { mode: 0o600 });
  if (runc) {
    writeFileSync(join(bundle, "options.json"), optionsJson(runc), { mode: 0o600 });
    writeFileSync(join(bundle, "runtime"), runc.binaryName || "runc", { mode: 0o600 });
  }
  openToMappedRoot(paths, spec);
}

/** More than one removal after the other can take away. */
const MAKE_TRIES = 1000;

/** Makes `dir` and what it is in. Another task's removal may take the namespace's directory away at any moment. */
function makeDirectory(dir: string, mode: number): void {
  for (let tries = 1; ; tries++) {
    try {
      mkdirSync(dirname(dir), { recursive: true, mode: 0o711 });
      mkdirSync(dir, { mode });
      return;
    } catch (error) {
      // EEXIST may also be said of the parent: it was there, and gone when it was looked at.
      const taken = hasErrno(error, "ENOENT") || (hasErrno(error, "EEXIST") && !existsSync(dir));
      if (!taken || tries === MAKE_TRIES) throw error;
    }
  }
}

/**
 * The spec with the cgroup path that clients give by default, `/<namespace>/<id>`, moved below the store's own: a
 * containerd, or another store, may have a container of the same name, and whoever kills all processes of a cgroup would
 * kill the other's too. A path that somebody chose stays. In the text, as parsing would lose what JSON numbers cannot hold.
 */
function ownCgroup(spec: Uint8Array, { namespace, id, store }: TaskPaths): Uint8Array | string {
  const text = new TextDecoder().decode(spec);
  const given = new RegExp(`("cgroupsPath"\\s*:\\s*")/${escapeDots(namespace)}/${escapeDots(id)}"`);
  return given.test(text) ? text.replace(given, `$1/ctr-${store}/${namespace}/${id}"`) : spec;
}

/** Identifiers have no other character that a pattern would read as its own. */
function escapeDots(identifier: string): string {
  return identifier.replaceAll(".", "\\.");
}

/** The root user inside a user namespace has to get through to its root filesystem. */
function openToMappedRoot({ bundle, rootfs }: TaskPaths, spec: protobufAny.Any): void {
  const gid = mappedRootGid(spec);
  if (gid === undefined) return;
  // Whatever the umask took away when they were made.
  for (const dir of [dirname(dirname(bundle)), dirname(bundle), rootfs]) chmodSync(dir, 0o711);
  chmodSync(bundle, 0o710);
  chownSync(bundle, process.geteuid?.() ?? 0, gid);
}

function mappedRootGid(spec: protobufAny.Any): number | undefined {
  interface Mapping {
    readonly containerID?: number;
    readonly hostID?: number;
  }
  let parsed: { readonly linux?: { readonly gidMappings?: readonly Mapping[] } } | null;
  try {
    // The spec is the client's JSON; only this one optional path in it is read, and a wrong type gives undefined below.
    parsed = JSON.parse(new TextDecoder().decode(spec.value)) as typeof parsed;
  } catch (cause) {
    throw new ContainerdError({ code: "invalid_argument", what: "the container's spec is not JSON", cause });
  }
  const mapping = parsed?.linux?.gidMappings?.find?.((each) => each.containerID === 0);
  return typeof mapping?.hostID === "number" ? mapping.hostID : undefined;
}

/** Options as the runc shim reads them back: the JSON of its Go struct. */
function optionsJson(options: runcOptions.Options): string {
  const entries = Object.entries(options).filter(([, value]) => value !== "" && value !== 0 && value !== false);
  const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return JSON.stringify(Object.fromEntries(entries.map(([key, value]) => [snake(key), value])));
}

/** Remembers where the shim answers, for the next process. */
export function writeShimAddress(bundle: string, address: ShimAddress): void {
  const path = join(bundle, "bootstrap.json");
  writeFileSync(`${path}.new`, JSON.stringify(address), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Where the shim of a bundle answers; undefined when it never came that far. */
export function readShimAddress(bundle: string): ShimAddress | undefined {
  return shimAddressFromFiles(readText(join(bundle, "bootstrap.json")), readText(join(bundle, "address")));
}

/** The shim that a bundle was made for. */
export function readShimBinary(bundle: string): string | undefined {
  return readText(join(bundle, "shim-binary-path"))?.trim();
}

/** Removes the socket file of a shim that is dead: one that was killed leaves it. */
export function removeDeadSocket(bundle: string): void {
  const address = readShimAddress(bundle)?.address;
  if (address === undefined) return;
  const path = socketPathOf(address);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true });
}

export function bundleExists(paths: TaskPaths): boolean {
  return existsSync(paths.bundle);
}

/** Removes bundle and work directory. A bundle that something is still mounted in is left, with an error. */
export async function removeBundle(paths: TaskPaths): Promise<void> {
  await removeAside(paths, await setBundleAside(paths));
}

/**
 * The first half of that, after which the id is free: the bundle has another name. Undefined where there is none. What
 * it leaves to `removeAside` a collection takes, should this process not come to it.
 */
export async function setBundleAside(paths: TaskPaths): Promise<string | undefined> {
  const { bundle, work } = paths;
  const trash = join(dirname(bundle), `.${basename(bundle)}`);
  const isThere = existsSync(bundle);
  if (isThere) {
    if (!isPlain(paths)) await freeOfMounts(paths);
    rmSync(trash, { recursive: true, force: true });
    renameSync(bundle, trash);
    failpoint("bundle.renamed");
  }
  rmSync(work, { recursive: true, force: true });
  removeIfEmpty(dirname(work));
  return isThere ? trash : undefined;
}

/** The second half, on threads of the pool: it may take milliseconds for each file. */
export async function removeAside({ bundle }: TaskPaths, trash: string | undefined): Promise<void> {
  if (trash !== undefined) await rm(trash, { recursive: true, force: true });
  removeIfEmpty(dirname(bundle));
}

/** Whether nothing can be mounted in a bundle: without its root filesystem, empty, there is no directory in it. */
function isPlain({ bundle, rootfs }: TaskPaths): boolean {
  try {
    rmdirSync(rootfs);
  } catch {
    // Not empty, mounted on, or not there: the kernel's list of mounts tells.
    return false;
  }
  return readdirSync(bundle, { withFileTypes: true }).every((entry) => !entry.isDirectory());
}

async function freeOfMounts({ bundle, rootfs }: TaskPaths): Promise<void> {
  if (existsSync(rootfs)) await unmountAll(rootfs);
  refuseMounts(bundle);
}

/** rm would go through a mount into what is mounted: a snapshot, or somebody's home. */
function refuseMounts(bundle: string): void {
  const inside = listMounts().filter((mount) => mount.mountPoint.startsWith(`${bundle}/`));
  if (inside.length === 0) return;
  throw new ContainerdError({
    code: "failed_precondition",
    what: "cannot remove the task's bundle",
    where: { mount: inside[0]?.mountPoint },
    why: "something is still mounted in it",
    fix: "unmount it and remove the task again",
  });
}

function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // Another task is in it, or it is gone: both are fine.
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not written, or the bundle is being removed: either way there is nothing to read.
    return undefined;
  }
}
