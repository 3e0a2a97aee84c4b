import { refuse, type SpecOption, withProcess } from "./option.ts";

/** The kernel's capabilities by their bit. capability.h */
const capabilityNames =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/** Names of the bits set in a mask such as CapEff of /proc/self/status. */
export function capabilitiesOfMask(mask: bigint): readonly string[] {
  const held = capabilityNames.split(" ").filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);
  return held.map((name) => `CAP_${name}`);
}

/** `--cap-add`. */
export function withAddedCapabilities(names: readonly string[]): SpecOption {
  checkNames(names);
  return (spec) => {
    const capabilities = spec.process?.capabilities ?? {};
    const add = (set: readonly string[] = []) => [
      ...set,
      ...names.filter((name, at) => !set.includes(name) && names.indexOf(name) === at),
    ];
    return withProcess(spec, {
      capabilities: {
        ...capabilities,
        bounding: add(capabilities.bounding),
        effective: add(capabilities.effective),
        permitted: add(capabilities.permitted),
      },
    });
  };
}

/** `--cap-drop`. */
export function withDroppedCapabilities(names: readonly string[]): SpecOption {
  checkNames(names);
  const keep = (set: readonly string[] | undefined) => set?.filter((name) => !names.includes(name));
  return (spec) => {
    const capabilities = spec.process?.capabilities ?? {};
    const kept = (["bounding", "effective", "inheritable", "permitted"] as const).flatMap((set) => {
      const held = keep(capabilities[set]);
      return held === undefined ? [] : [[set, held] as const];
    });
    return withProcess(spec, { capabilities: { ...capabilities, ...Object.fromEntries(kept) } });
  };
}

/** `--privileged`: whatever this process may do, the container may. */
export const withCurrentCapabilities: SpecOption = async (spec, { host }) => {
  const names = await host.effectiveCapabilities();
  const capabilities = { ...spec.process?.capabilities, bounding: names, effective: names, permitted: names };
  return withProcess(spec, { capabilities });
};

function checkNames(names: readonly string[]): void {
  if (names.some((name) => !name.startsWith("CAP_"))) {
    throw refuse("capabilities must be specified with 'CAP_' prefix", "write it as CAP_NET_ADMIN");
  }
}
