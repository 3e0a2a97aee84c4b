// The part of the runtime-spec that containers here are made of; unknown members of a spec that was read are kept.

/** An OCI runtime bundle's config.json. Runtime-spec, config.md. */
export interface Spec {
  readonly ociVersion: string;
  readonly process?: SpecProcess;
  readonly root?: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly mounts?: readonly SpecMount[];
  readonly hooks?: SpecHooks;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: SpecLinux;
}

export interface SpecHook {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

/** Programs the runtime calls, by when. Runtime-spec, "POSIX-platform Hooks". */
export interface SpecHooks {
  readonly prestart?: readonly SpecHook[];
  readonly createRuntime?: readonly SpecHook[];
  readonly createContainer?: readonly SpecHook[];
  readonly startContainer?: readonly SpecHook[];
  readonly poststart?: readonly SpecHook[];
  readonly poststop?: readonly SpecHook[];
}

export interface SpecProcess {
  readonly terminal?: boolean;
  readonly user: SpecUser;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: SpecCapabilities;
  readonly rlimits?: readonly { readonly type: string; readonly hard: number; readonly soft: number }[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

export interface SpecUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
}

export interface SpecCapabilities {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

export interface SpecMount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

export interface SpecNamespace {
  readonly type: string;
  readonly path?: string;
}

export interface SpecIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface SpecDevice {
  readonly path: string;
  /** `b`, `c`, `u` or `p`. */
  readonly type: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface SpecDeviceRule {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}

export interface SpecCpu {
  readonly shares?: number | bigint;
  /** Microseconds. */
  readonly quota?: number | bigint;
  /** Microseconds. */
  readonly period?: number | bigint;
  readonly cpus?: string;
  readonly mems?: string;
}

/** A device and what it may do in a second, or its share. */
export interface SpecDeviceRate {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

export interface SpecBlockIo {
  /** 10 to 1000. */
  readonly weight?: number;
  readonly weightDevice?: readonly { readonly major: number; readonly minor: number; readonly weight: number }[];
  readonly throttleReadBpsDevice?: readonly SpecDeviceRate[];
  readonly throttleWriteBpsDevice?: readonly SpecDeviceRate[];
  readonly throttleReadIOPSDevice?: readonly SpecDeviceRate[];
  readonly throttleWriteIOPSDevice?: readonly SpecDeviceRate[];
}

export interface SpecResources {
  readonly devices?: readonly SpecDeviceRule[];
  /** Bytes. */
  readonly memory?: { readonly limit?: bigint };
  readonly cpu?: SpecCpu;
  readonly blockIO?: SpecBlockIo;
}

export interface SpecSyscall {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: string;
  }[];
}

export interface SpecSeccomp {
  readonly defaultAction: string;
  readonly architectures?: readonly string[];
  readonly syscalls?: readonly SpecSyscall[];
}

export interface SpecIntelRdt {
  readonly closID?: string;
  readonly schemata?: readonly string[];
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly enableMonitoring?: boolean;
}

export interface SpecLinux {
  readonly uidMappings?: readonly SpecIdMapping[];
  readonly gidMappings?: readonly SpecIdMapping[];
  readonly resources?: SpecResources;
  readonly cgroupsPath?: string;
  readonly namespaces?: readonly SpecNamespace[];
  readonly devices?: readonly SpecDevice[];
  readonly seccomp?: SpecSeccomp;
  readonly rootfsPropagation?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
  readonly intelRdt?: SpecIntelRdt;
  /** Interfaces that move into the container, by their name on the host. */
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>;
}
