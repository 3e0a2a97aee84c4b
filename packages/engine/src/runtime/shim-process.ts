import { ContainerdError } from "@ctr/api";
import { lastingEnvironment } from "@ctr/sys";
import { callerOpenFiles, shimCgroups } from "./shim-host.ts";

/** What every call of a shim binary needs to know. */
export interface ShimCommand {
  readonly binary: string;
  readonly namespace: string;
  readonly id: string;
  readonly bundle: string;
  /** Constant for a store. */
  readonly address: string;
  readonly eventsSocket: string;
  /** Where the shim is to answer, if it is told. */
  readonly socket: string;
  readonly searchPath: readonly string[];
  readonly signal: AbortSignal;
}

export interface ShimOutput {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/** A shim that says nothing for so long never will. */
const START_TIMEOUT_MS = 30_000;
const DELETE_TIMEOUT_MS = 10_000;

/**
 * Joins cgroups by writing its own pid, sets the limit of open files and a daemon's umask, and becomes the shim. Whatever
 * of the first two is not allowed here is left as it is.
 */
const LAUNCHER = `umask 022; ulimit -S -n "$1" 2>/dev/null; shift
while [ "$1" != -- ]; do { echo $$ >"$1"; } 2>/dev/null; shift; done
shift; exec "$@"`;

/** Runs `<shim> … start` in the bundle with `stdin`, and waits for it; the shim proper is then its child's child. */
export function runStart(command: ShimCommand, stdin: Uint8Array): Promise<ShimOutput> {
  const argv = [...launcher(shimCgroups()), command.binary, ...commonFlags(command), "start"];
  return run(argv, command, { stdin, timeoutMs: START_TIMEOUT_MS });
}

/**
 * Runs the shim proper, as its `start` would, with a listening socket to answer on. It lives on when this process ends,
 * and stays in this one's cgroups until it is moved. Engine reference: 11.2, last paragraphs.
 */
export function spawnShim(command: ShimCommand, listener: number): Bun.Subprocess {
  const { binary, namespace, id, address } = command;
  const child = Bun.spawn([...launcher([]), binary, "-namespace", namespace, "-id", id, "-address", address], {
    cwd: command.bundle,
    env: { ...shimEnvironment(command), GOMAXPROCS: "4", OTEL_SERVICE_NAME: `containerd-shim-${id}` },
    stdio: ["ignore", "ignore", "ignore", listener],
    detached: true,
  });
  child.unref();
  return child;
}

function launcher(cgroups: readonly string[]): readonly string[] {
  return ["/bin/sh", "-c", LAUNCHER, "sh", String(callerOpenFiles()), ...cgroups, "--"];
}

/** Runs `<shim> … delete`: the last resort where no shim answers. It kills and removes what is left. */
export function runDelete(command: ShimCommand): Promise<ShimOutput> {
  const argv = [command.binary, ...commonFlags(command), "-bundle", command.bundle, "delete"];
  return run(argv, command, { stdin: new Uint8Array(0), timeoutMs: DELETE_TIMEOUT_MS });
}

function commonFlags({ namespace, address, id }: ShimCommand): string[] {
  return ["-namespace", namespace, "-address", address, "-publish-binary", process.execPath, "-id", id];
}

interface RunOptions {
  readonly stdin: Uint8Array;
  readonly timeoutMs: number;
}

async function run(argv: string[], command: ShimCommand, options: RunOptions): Promise<ShimOutput> {
  const child = Bun.spawn(argv, {
    cwd: command.bundle,
    env: shimEnvironment(command),
    stdin: options.stdin,
    stdout: "pipe",
    stderr: "pipe",
    // A session of its own: a terminal's Ctrl-C must not reach it.
    detached: true,
  });
  const end = () => child.kill("SIGKILL");
  const timer = setTimeout(end, options.timeoutMs);
  command.signal.addEventListener("abort", end, { once: true });
  try {
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).bytes(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    command.signal.throwIfAborted();
    return { exitCode, stdout, stderr: stderr.trim() };
  } finally {
    clearTimeout(timer);
    command.signal.removeEventListener("abort", end);
  }
}

function shimEnvironment(command: ShimCommand): Record<string, string> {
  return {
    ...lastingEnvironment(),
    PATH: command.searchPath.join(":"),
    GOMAXPROCS: "2",
    TTRPC_ADDRESS: command.eventsSocket,
    GRPC_ADDRESS: command.address,
    NAMESPACE: command.namespace,
    // containerd says 2 even where it understands 3, and shims know it so.
    MAX_SHIM_VERSION: "2",
  };
}

/** The failure of a shim's `start` or `delete`, in its own words. */
export function shimFailed(action: string, command: ShimCommand, output: ShimOutput): ContainerdError {
  const said = output.stderr || new TextDecoder().decode(output.stdout).trim();
  return new ContainerdError({
    code: "unknown",
    what: `shim ${action} failed`,
    where: { shim: command.binary, task: command.id },
    why: said === "" ? `it exited with ${output.exitCode}` : said.slice(-2000),
  });
}
