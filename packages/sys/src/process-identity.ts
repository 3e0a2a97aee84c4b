/** Fields of /proc/PID/stat after the name in parentheses, counted from 0: the state, and the start time; proc(5). */
const STATE_FIELD = 0;
const START_TIME_FIELD = 19;

/** What has become of a process: `elsewhere` when it cannot be seen from here, being of another pid namespace. */
export type ProcessState = "alive" | "gone" | "elsewhere";

/** This process in a word no other process will ever have: pid, start time, boot, pid namespace. Printable ASCII. */
export function processIdentity(): string {
  own ??= [process.pid, startTimeOf(process.pid), bootId(), pidNamespace()].join(" ");
  return own;
}

let own: string | undefined;

/** What has become of the process that an identity names. Processes of an earlier boot, or another machine, are gone. */
export function processState(identity: string): ProcessState {
  if (identity === own) return "alive";
  const [pid, startTime, boot, namespace] = identity.split(" ");
  if (boot !== bootId() || !/^\d+$/.test(pid ?? "")) return "gone";
  if (namespace !== pidNamespace()) return "elsewhere";
  return startTimeOf(Number(pid)) === startTime ? "alive" : "gone";
}

function startTimeOf(pid: number): string | undefined {
  const stat = readProc(`${pid}/stat`);
  // The name may hold spaces and parentheses of its own.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  const state = fields[STATE_FIELD];
  // A zombie has ended, though nobody has asked for its exit yet.
  return state === "Z" || state === "X" ? undefined : fields[START_TIME_FIELD];
}

function bootId(): string {
  return readProc("sys/kernel/random/boot_id")?.trim() ?? "";
}

function pidNamespace(): string {
  try {
    return process.getBuiltinModule("node:fs").readlinkSync("/proc/self/ns/pid");
  } catch {
    // No Linux; then there is no boot to compare either, and the identity counts as gone.
    return "";
  }
}

function readProc(path: string): string | undefined {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(`/proc/${path}`, "latin1");
  } catch {
    // There is no such process.
    return undefined;
  }
}
