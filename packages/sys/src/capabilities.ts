/** Names by number, from linux/capability.h. */
const names = `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
  NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
  SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
  SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`;

/** `CAP_CHOWN`, … that this process has in effect, in the kernel's order. proc(5), CapEff. */
export function readEffectiveCapabilities(): readonly string[] {
  const status = process.getBuiltinModule("node:fs").readFileSync("/proc/self/status", "utf8");
  return capabilityNames(BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`));
}

/** The capabilities whose bits are set. Bits without a name here are left out. */
export function capabilityNames(mask: bigint): readonly string[] {
  return names
    .split(/\s+/)
    .filter((_name, bit) => ((mask >> BigInt(bit)) & 1n) === 1n)
    .map((name) => `CAP_${name}`);
}
