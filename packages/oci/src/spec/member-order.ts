/** Members of a record in the order Go's structs have them; nested records by their member's name. */
interface MemberOrder {
  readonly [member: string]: MemberOrder | null;
}

const idMapping: MemberOrder = { containerID: null, hostID: null, size: null };
const capabilities: MemberOrder = {
  bounding: null,
  effective: null,
  inheritable: null,
  permitted: null,
  ambient: null,
};

const processOrder: MemberOrder = {
  terminal: null,
  consoleSize: { height: null, width: null },
  user: { uid: null, gid: null, umask: null, additionalGids: null, username: null },
  args: null,
  commandLine: null,
  env: null,
  cwd: null,
  capabilities,
  rlimits: { type: null, hard: null, soft: null },
  noNewPrivileges: null,
  apparmorProfile: null,
  oomScoreAdj: null,
  scheduler: null,
  selinuxLabel: null,
  ioPriority: null,
  execCPUAffinity: null,
};

const rate: MemberOrder = { major: null, minor: null, rate: null };
const hook: MemberOrder = { path: null, args: null, env: null, timeout: null };

const linuxOrder: MemberOrder = {
  uidMappings: idMapping,
  gidMappings: idMapping,
  sysctl: null,
  resources: {
    devices: { allow: null, type: null, major: null, minor: null, access: null },
    memory: { limit: null, reservation: null, swap: null },
    cpu: {
      shares: null,
      quota: null,
      burst: null,
      period: null,
      realtimeRuntime: null,
      realtimePeriod: null,
      cpus: null,
      mems: null,
      idle: null,
    },
    pids: null,
    blockIO: {
      weight: null,
      leafWeight: null,
      weightDevice: { major: null, minor: null, weight: null, leafWeight: null },
      throttleReadBpsDevice: rate,
      throttleWriteBpsDevice: rate,
      throttleReadIOPSDevice: rate,
      throttleWriteIOPSDevice: rate,
    },
    hugepageLimits: null,
    network: null,
    rdma: null,
    unified: null,
  },
  cgroupsPath: null,
  namespaces: { type: null, path: null },
  devices: { path: null, type: null, major: null, minor: null, fileMode: null, uid: null, gid: null },
  netDevices: null,
  seccomp: {
    defaultAction: null,
    defaultErrnoRet: null,
    architectures: null,
    flags: null,
    listenerPath: null,
    listenerMetadata: null,
    syscalls: {
      names: null,
      action: null,
      errnoRet: null,
      args: { index: null, value: null, valueTwo: null, op: null },
    },
  },
  rootfsPropagation: null,
  maskedPaths: null,
  readonlyPaths: null,
  mountLabel: null,
  intelRdt: { closID: null, schemata: null, l3CacheSchema: null, memBwSchema: null, enableMonitoring: null },
  personality: null,
  timeOffsets: null,
};

const specOrder: MemberOrder = {
  ociVersion: null,
  process: processOrder,
  root: { path: null, readonly: null },
  hostname: null,
  domainname: null,
  mounts: {
    destination: null,
    type: null,
    source: null,
    options: null,
    uidMappings: idMapping,
    gidMappings: idMapping,
  },
  hooks: {
    prestart: hook,
    createRuntime: hook,
    createContainer: hook,
    startContainer: hook,
    poststart: hook,
    poststop: hook,
  },
  annotations: null,
  linux: linuxOrder,
  windows: null,
};

/** `value` with its members in Go's order, those Go does not know last. */
export function inMemberOrder(value: unknown): unknown {
  return arrange(value, specOrder, "");
}

/** The same for a process alone, as exec takes it. */
export function processInMemberOrder(value: unknown): unknown {
  return arrange(value, processOrder, "");
}

/** Maps of free keys, which Go sorts. */
const MAPS: readonly string[] = ["annotations", "sysctl", "unified", "netDevices"];

function arrange(value: unknown, order: MemberOrder | null, name: string): unknown {
  if (Array.isArray(value)) return value.map((item) => arrange(item, order, name));
  if (typeof value !== "object" || value === null) return value;
  const source = new Map(Object.entries(value).filter(([, member]) => member !== undefined));
  const known = Object.keys(order ?? {}).filter((key) => source.has(key));
  const others = [...source.keys()].filter((key) => !known.includes(key));
  const keys = MAPS.includes(name) ? others.sort() : [...known, ...others];
  return Object.fromEntries(keys.map((key) => [key, arrange(source.get(key), order?.[key] ?? null, key)]));
}
