import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { fail } from "../errors.ts";
import type { FlagSpecs, FlagValues } from "../flag.ts";
import type { heap, trace } from "../table/pprof.ts";
import type { debugFlag, timedFlags } from "../table/profile-flags.ts";

type DebugFlags = ReturnType<typeof debugFlag>;
type TimedFlags = ReturnType<typeof timedFlags>;

/** What a daemon is asked for. */
export interface ProfileRequest {
  /** Sockets to try, in order. */
  readonly sockets: readonly string[];
  /** `heap`, `goroutine`, … */
  readonly name: string;
  readonly debug: bigint;
  /** Nanoseconds. */
  readonly time?: bigint;
}

/** `ctr pprof heap` and its like: a profile from the daemon's debug socket, unchanged, to stdout. */
export function profileCommand(name: string): Command<(typeof heap)["flags"] & (typeof heap)["inherits"]> {
  return defineCommand<typeof heap>({
    run: (context) => writeProfile(context, requestOf(name, [context.flags.debugSocket], context.flags)),
  });
}

/** The same for those that measure for a time. */
export function timedCommand(name: string): Command<(typeof trace)["flags"] & (typeof trace)["inherits"]> {
  return defineCommand<typeof trace>({
    run: (context) => writeProfile(context, timedRequest(name, [context.flags.debugSocket], context.flags)),
  });
}

export function requestOf(name: string, sockets: readonly string[], { debug }: FlagValues<DebugFlags>): ProfileRequest {
  return { name, sockets, debug };
}

export function timedRequest(
  name: string,
  sockets: readonly string[],
  { debug, seconds: time }: FlagValues<TimedFlags>,
): ProfileRequest {
  return { name, sockets, debug, time: name === "profile" ? wholeSeconds(time) : time };
}

/** Of a part of a second Go's CPU profile makes the default, 30 s. */
function wholeSeconds(nanoseconds: bigint): bigint {
  return ((nanoseconds + 999_999_999n) / 1_000_000_000n) * 1_000_000_000n;
}

/** Asks the first socket that is there, and passes on what it says. */
export async function writeProfile(
  { stdout, signal }: Pick<CommandContext<FlagSpecs>, "stdout" | "signal">,
  request: ProfileRequest,
): Promise<void> {
  const { name, debug, time } = request;
  const seconds = time === undefined ? "" : `seconds=${Number(time) / 1e9}&`;
  const path = `/debug/pprof/${name}?${seconds}debug=${debug}`;
  const response = await ask(request.sockets, path, signal);
  if (!response.ok) throw fail(`http get failed with status: ${response.status} ${response.statusText}`);
  if (response.body) for await (const chunk of response.body) await stdout.write(chunk);
}

async function ask(sockets: readonly string[], path: string, signal: AbortSignal): Promise<Response> {
  const failures: string[] = [];
  for (const unix of sockets) {
    try {
      return await fetch(`http://pprof${path}`, { unix, signal, timeout: false });
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`dial unix ${unix}: connect: ${await reason(unix, error)}`);
    }
  }
  throw fail(
    `Get "http://.${path}": ${failures.join(", ")}`,
    "containerd serves profiles where its configuration has debug.address; the embedded engine, which is no Go program, has none",
  );
}

async function reason(path: string, error: unknown): Promise<string> {
  const { stat } = await import("node:fs/promises");
  const code = await stat(path).then(
    () => (error instanceof Error && "code" in error ? String(error.code) : ""),
    (cause: unknown) => (cause instanceof Error && "code" in cause ? String(cause.code) : ""),
  );
  if (code === "ENOENT") return "no such file or directory";
  return /refused/i.test(code) ? "connection refused" : code === "EACCES" ? "permission denied" : code;
}
