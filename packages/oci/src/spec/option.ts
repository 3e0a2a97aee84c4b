import { ContainerdError } from "@ctr/api";
import type { Spec, SpecLinux, SpecProcess, SpecResources } from "./types.ts";

/** Files of a container's root filesystem, symbolic links resolved inside it; undefined where there is no such file. */
export interface RootfsReader {
  readFile(path: string): Promise<Uint8Array | undefined>;
}

/** A node under /dev. */
export interface DeviceNode {
  readonly type: "b" | "c" | "p";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type HostEntry =
  | { readonly kind: "device"; readonly device: DeviceNode }
  | { readonly kind: "directory"; readonly names: readonly string[] }
  | { readonly kind: "other" };

/** What options ask of the machine they run on. */
export interface SpecHost {
  readonly hostname: string;
  /** Go's word for the processor: `amd64`. */
  readonly architecture: string;
  /** Major and minor version of the kernel. */
  readonly kernel: readonly [number, number];
  /** Names of the capabilities this process has in effect. */
  effectiveCapabilities(): Promise<readonly string[]>;
  readFile(path: string): Promise<Uint8Array>;
  /** Absolute path with all links followed; undefined where there is nothing. */
  realPath(path: string): Promise<string | undefined>;
  /** Hands an AppArmor profile to the kernel. */
  loadAppArmor(profile: string): Promise<void>;
  /** Reads YAML of one document; throws where it is none, or where this runtime cannot. */
  parseYaml(text: string): unknown;
  /** What stands at `path`, symbolic links followed; throws an error with Go's words (`stat /x: …`). */
  stat(path: string): Promise<HostEntry>;
}

export interface SpecContext {
  readonly namespace: string;
  readonly id: string;
  readonly host: SpecHost;
  readonly rootfs: RootfsReader;
}

/** One step of making a spec: the spec so far in, the spec with one thing changed out. */
export type SpecOption = (spec: Spec, context: SpecContext) => Spec | Promise<Spec>;

/** Applies `options` one after the other; a later one sees what the earlier ones did. */
export async function applySpecOptions(
  spec: Spec,
  options: readonly SpecOption[],
  context: SpecContext,
): Promise<Spec> {
  let result = spec;
  for (const option of options) result = await option(result, context);
  return result;
}

/** `spec` with `change` laid over its process. */
export function withProcess(spec: Spec, change: Partial<SpecProcess>): Spec {
  return { ...spec, process: { user: { uid: 0, gid: 0 }, cwd: "/", ...spec.process, ...change } };
}

/** `spec` with `change` laid over its Linux part. */
export function withLinux(spec: Spec, change: Partial<SpecLinux>): Spec {
  return { ...spec, linux: { ...spec.linux, ...change } };
}

/** `spec` with `change` laid over its resources. */
export function withResources(spec: Spec, change: Partial<SpecResources>): Spec {
  return withLinux(spec, { resources: { ...spec.linux?.resources, ...change } });
}

/** A flag that cannot be what it says, in the Go tool's words. */
export function refuse(what: string, fix?: string): ContainerdError {
  return new ContainerdError({ code: "unknown", what, ...(fix === undefined ? {} : { fix }) });
}
