/** What a device, or all devices of a file, add to a container's spec. CDI spec 1.1, "OCI Edits". */
export interface CdiEdits {
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly deviceNodes: readonly CdiDeviceNode[];
  readonly netDevices: readonly CdiNetDevice[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: readonly CdiHook[];
  readonly intelRdt: CdiIntelRdt | undefined;
  readonly additionalGids: readonly number[];
}

export interface CdiDeviceNode {
  /** In the container. */
  readonly path: string;
  /** On the host; "" where it is the same. */
  readonly hostPath: string;
  /** `b`, `c`, `u` or `p`; "" for whatever the host has. */
  readonly type: string;
  /** 0 for whatever the host has. */
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number | undefined;
  /** Of `r`, `w` and `m`; "" for all, `none` for none. */
  readonly permissions: string;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

export interface CdiNetDevice {
  readonly hostInterfaceName: string;
  readonly name: string;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type: string;
  readonly options: readonly string[];
}

export const hookNames = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;
export type HookName = (typeof hookNames)[number];

export interface CdiHook {
  readonly hookName: HookName;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds. */
  readonly timeout: number | undefined;
}

export interface CdiIntelRdt {
  readonly closID: string;
  readonly l3CacheSchema: string;
  readonly memBwSchema: string;
  readonly schemata: readonly string[];
  readonly enableMonitoring: boolean;
}

/** `first`, then `second`; of settings that are one, the second's. */
export function joinEdits(first: CdiEdits, second: CdiEdits): CdiEdits {
  return {
    env: [...first.env, ...second.env],
    deviceNodes: [...first.deviceNodes, ...second.deviceNodes],
    netDevices: [...first.netDevices, ...second.netDevices],
    mounts: [...first.mounts, ...second.mounts],
    hooks: [...first.hooks, ...second.hooks],
    intelRdt: second.intelRdt ?? first.intelRdt,
    additionalGids: [...first.additionalGids, ...second.additionalGids],
  };
}

export const noEdits: CdiEdits = {
  env: [],
  deviceNodes: [],
  netDevices: [],
  mounts: [],
  hooks: [],
  intelRdt: undefined,
  additionalGids: [],
};

/** Whether they add nothing. */
export function isEmpty({ intelRdt, ...lists }: CdiEdits): boolean {
  return intelRdt === undefined && Object.values(lists).every((list) => list.length === 0);
}
