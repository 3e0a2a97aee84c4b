import { refuse, type SpecContext, type SpecOption, withLinux } from "./option.ts";
import { parseSeccomp } from "./seccomp-file.ts";
import { allowedSyscalls, seccompArchitectures, syscallsByArchitecture, syscallsByCapability } from "./syscalls.ts";
import type { SpecSeccomp, SpecSyscall } from "./types.ts";

const ALLOW = "SCMP_ACT_ALLOW";
const ERRNO = "SCMP_ACT_ERRNO";
const ENOSYS = 38;
const AF_ALG = 38;
const AF_VSOCK = 40;
/** CLONE_NEW* flags, all of them: a namespace of one's own needs CAP_SYS_ADMIN. */
const CLONE_NAMESPACES = 2114060288;

/** `--seccomp`: the built-in profile for the capabilities the spec has by now. */
export const withDefaultSeccomp: SpecOption = (spec, context) =>
  withLinux(spec, { seccomp: defaultSeccomp(spec.process?.capabilities?.bounding ?? [], context.host) });

/** `--seccomp-profile`: a profile in the runtime-spec's form. */
export function withSeccompFile(path: string): SpecOption {
  return async (spec, { host }) => {
    const bytes = await host.readFile(path).catch((error: unknown) => {
      throw refuse(`cannot load seccomp profile "${path}": ${error instanceof Error ? error.message : String(error)}`);
    });
    return withLinux(spec, { seccomp: parseSeccomp(path, bytes) });
  };
}

/** The profile for a machine and a bounding set. */
export function defaultSeccomp(
  bounding: readonly string[],
  host: Pick<SpecContext["host"], "architecture" | "kernel">,
): SpecSeccomp {
  const architectures = seccompArchitectures[host.architecture];
  const opened = bounding.flatMap((name) => syscallsByCapability[name] ?? []);
  return {
    defaultAction: ERRNO,
    ...(architectures ? { architectures } : {}),
    syscalls: [
      { names: allowedSyscalls, action: ALLOW },
      ...socketRules,
      ...[0, 8, 131072, 131080, 4294967295].map((value) => rule("personality", { index: 0, value, op: "SCMP_CMP_EQ" })),
      ...(isAtLeast(host.kernel, [4, 8]) ? [allow("process_vm_readv process_vm_writev ptrace")] : []),
      ...[syscallsByArchitecture[host.architecture]].flatMap((names) => (names === undefined ? [] : [allow(names)])),
      ...opened.map(allow),
      ...(bounding.includes("CAP_SYS_ADMIN") ? [] : cloneRules(host.architecture)),
    ],
  };
}

const socketRules: readonly SpecSyscall[] = [
  rule("socket", { index: 0, value: AF_ALG, op: "SCMP_CMP_LT" }),
  rule("socket", { index: 0, value: AF_ALG + 1, op: "SCMP_CMP_EQ" }),
  rule("socket", { index: 0, value: AF_VSOCK, op: "SCMP_CMP_GT" }),
];

function cloneRules(architecture: string): readonly SpecSyscall[] {
  const index = architecture === "s390x" ? 1 : 0;
  return [
    rule("clone", { index, value: CLONE_NAMESPACES, op: "SCMP_CMP_MASKED_EQ" }),
    { names: ["clone3"], action: ERRNO, errnoRet: ENOSYS },
  ];
}

function allow(names: string): SpecSyscall {
  return { names: names.split(" "), action: ALLOW };
}

function rule(name: string, arg: NonNullable<SpecSyscall["args"]>[number]): SpecSyscall {
  return { names: [name], action: ALLOW, args: [arg] };
}

function isAtLeast(kernel: readonly [number, number], wanted: readonly [number, number]): boolean {
  return kernel[0] > wanted[0] || (kernel[0] === wanted[0] && kernel[1] >= wanted[1]);
}
