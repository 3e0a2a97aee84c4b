/** Set by the build: true in the test build alone, so that everything behind it is cut out of every other. */
declare const CTR_FAILPOINTS: boolean | undefined;

/** What a failpoint may do besides killing its own process: fail as the kernel does. */
const faults = {
  eio: { code: "EIO", text: "i/o error" },
  enospc: { code: "ENOSPC", text: "no space left on device" },
} as const;

/** How often each point was passed by this thread, which a worker is too. */
let passed: Map<string, number> | undefined;

/**
 * A place where the process may be made to die or fail, in the test build: `CTR_FAILPOINT=name:kill|eio|enospc[:nth]`
 * names the place and which passing of it, the first one without a number; `CTR_FAILPOINT_TRACE` names a file that is
 * told of every place passed.
 */
export function failpoint(name: string): void {
  if (typeof CTR_FAILPOINTS !== "undefined" && CTR_FAILPOINTS) hit(name);
}

function hit(name: string): void {
  const trace = process.env["CTR_FAILPOINT_TRACE"];
  if (trace !== undefined) process.getBuiltinModule("node:fs").appendFileSync(trace, `${name}\n`);
  const [wanted, action = "", nth = "1"] = (process.env["CTR_FAILPOINT"] ?? "").split(":");
  if (wanted !== name) return;
  passed ??= new Map();
  const count = (passed.get(name) ?? 0) + 1;
  passed.set(name, count);
  if (count === Number(nth)) act(name, action);
}

function act(name: string, action: string): void {
  if (action === "kill") process.kill(process.pid, "SIGKILL");
  const fault = action === "eio" || action === "enospc" ? faults[action] : undefined;
  if (fault === undefined) throw new Error(`CTR_FAILPOINT: no such action: ${action}`);
  const errno = -process.getBuiltinModule("node:os").constants.errno[fault.code];
  throw Object.assign(new Error(`${fault.code}: ${fault.text}, failpoint ${name}`), { code: fault.code, errno });
}
