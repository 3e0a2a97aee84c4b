import { closeSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasCode } from "@ctr/api";
import { listenUnix, MAX_UNIX_PATH_BYTES } from "@ctr/sys";
import type { ShimAddress } from "./shim-address.ts";
import { connectShim } from "./shim-connection.ts";
import { type ShimCommand, spawnShim } from "./shim-process.ts";

/** A shim that has not said by then that it is there is started the usual way. */
const ANSWER_MS = 10_000;
const MAX_OOM_SCORE = 1000;

/**
 * Starts runc's shim without its `start`, which would do no more than this: make the socket, write down where it is, and
 * run the shim proper on it. Saves a process, and with it a sixth of the time of `run` (ADR 10). Undefined where that does
 * not work; then nothing of it is left, and `start` says what is wrong.
 */
export async function startDirectly(command: ShimCommand): Promise<ShimAddress | undefined> {
  const { socket, bundle, signal } = command;
  if (Buffer.byteLength(socket) >= MAX_UNIX_PATH_BYTES) return undefined;
  const address = `unix://${socket}`;
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  // Whoever holds the task's lock has seen that no shim of this id is left.
  rmSync(socket, { force: true });
  // The shim reads it: it removes the socket at its end.
  writeFileSync(join(bundle, "address"), address, { mode: 0o600 });
  const shim = startOn(command);
  try {
    const version = await askVersion(address, command);
    if (version !== undefined) return { version, address, protocol: "ttrpc" };
  } catch (error) {
    await end(shim, command);
    throw error;
  }
  await end(shim, command);
  signal.throwIfAborted();
  return undefined;
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

/** The version of the task API that the shim serves; undefined where it does not answer. */
async function askVersion(address: string, { namespace, id, signal }: ShimCommand): Promise<number | undefined> {
  const call = { signal, metadata: { "containerd-namespace-ttrpc": namespace }, timeoutMs: ANSWER_MS };
  for (const version of [2, 3]) {
    try {
      await using shim = await connectShim({ version, address, protocol: "ttrpc" }, signal);
      await shim.task.connect({ id }, call);
      return version;
    } catch (error) {
      signal.throwIfAborted();
      // A shim that answers anything else is there; only this says that it has another version.
      if (hasCode(error, "unimplemented")) continue;
      return hasCode(error, "not_found", "failed_precondition") ? version : undefined;
    }
  }
  return undefined;
}

async function end(shim: Bun.Subprocess, { socket, bundle }: ShimCommand): Promise<void> {
  shim.kill("SIGKILL");
  await shim.exited;
  rmSync(socket, { force: true });
  rmSync(join(bundle, "address"), { force: true });
}
