import { closeSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasCode } from "@ctr/api";
import { listenUnix, MAX_UNIX_PATH_BYTES } from "@ctr/sys";
import type { ShimAddress } from "./shim-address.ts";
import { connectShim, type ShimConnection } from "./shim-connection.ts";
import { moveToShimCgroups } from "./shim-host.ts";
import { type ShimCommand, spawnShim } from "./shim-process.ts";

/** A shim that has not said by then that it is there is started the usual way. */
const ANSWER_MS = 10_000;
const MAX_OOM_SCORE = 1000;

/** A shim that was started, and listens from the first moment, though it may not answer yet. */
export interface StartedShim {
  /** Resolves when it answers; undefined when it does not, and then nothing of it is left. `signal` ends it, too. */
  answers(signal: AbortSignal): Promise<AnsweringShim | undefined>;
  /** Moves it out of the cgroups of whoever started it. Takes as long as runc takes to begin, so it is done meanwhile. */
  settle(): Promise<void>;
  /** Kills it and removes what it listens on. For one that has no task. */
  end(): Promise<void>;
}

export interface AnsweringShim {
  readonly address: ShimAddress;
  /** The caller's to dispose. */
  readonly connection: ShimConnection;
}

/**
 * Starts runc's shim without its `start`, which would do no more than this: make the socket, write down where it is, and
 * run the shim proper on it. Saves a process, and with it a sixth of the time of `run` (ADR 10). Undefined where that
 * cannot work; where it turns out that it does not, `start` says what is wrong.
 */
export function startDirectly(command: ShimCommand): StartedShim | undefined {
  const { socket, bundle } = command;
  if (Buffer.byteLength(socket) >= MAX_UNIX_PATH_BYTES) return undefined;
  const address = `unix://${socket}`;
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  // Whoever holds the task's lock has seen that no shim of this id is left.
  rmSync(socket, { force: true });
  // The shim reads it: it removes the socket at its end.
  writeFileSync(join(bundle, "address"), address, { mode: 0o600 });
  const shim = startOn(command);
  // Asked at once, while whoever started it has other things to do.
  const answer = askVersion(address, command);
  const started: StartedShim = {
    async answers(signal) {
      const kill = () => shim.kill("SIGKILL");
      signal.addEventListener("abort", kill);
      if (signal.aborted) kill();
      const found = await answer;
      signal.removeEventListener("abort", kill);
      if (found !== undefined && !signal.aborted) return found;
      await started.end();
      signal.throwIfAborted();
      return undefined;
    },
    settle: () => moveToShimCgroups(shim.pid),
    async end() {
      shim.kill("SIGKILL");
      await shim.exited;
      rmSync(socket, { force: true });
      rmSync(join(bundle, "address"), { force: true });
      await (await answer)?.connection[Symbol.asyncDispose]();
    },
  };
  return started;
}

function startOn(command: ShimCommand): Bun.Subprocess {
  const listener = listenUnix(command.socket);
  try {
    const shim = spawnShim(command, listener);
    yieldMemoryFirst(shim.pid);
    return shim;
  } finally {
    // The shim has it now. Were it kept, a dead shim would still seem to listen.
    closeSync(listener);
  }
}

/** Of shim and engine the kernel is to choose the shim, when memory runs out. */
function yieldMemoryFirst(pid: number): void {
  try {
    const own = Number(readFileSync("/proc/self/oom_score_adj", "latin1"));
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(own + 1, MAX_OOM_SCORE)));
  } catch {
    // Gone already, which shows in the next moment, or not allowed, and then it has our own.
  }
}

/** A connection in the version of the task API that the shim serves; undefined where it does not answer. */
async function askVersion(path: string, { namespace, id, signal }: ShimCommand): Promise<AnsweringShim | undefined> {
  const call = { signal, metadata: { "containerd-namespace-ttrpc": namespace }, timeoutMs: ANSWER_MS };
  for (const version of [2, 3]) {
    const address = { version, address: path, protocol: "ttrpc" } as const;
    let connection: ShimConnection | undefined;
    try {
      connection = await connectShim(address, signal);
      await connection.greet(id, call);
      return { address, connection };
    } catch (error) {
      // A shim that answers anything else is there; only "unimplemented" says that it has another version.
      if (connection !== undefined && hasCode(error, "not_found", "failed_precondition"))
        return { address, connection };
      await connection?.[Symbol.asyncDispose]();
      if (!hasCode(error, "unimplemented")) return undefined;
    }
  }
  return undefined;
}
