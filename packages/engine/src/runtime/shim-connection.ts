import { ContainerdError, errorFromStatus, hasCode, openTaskClient, type TaskClient } from "@ctr/api";
import { type CallOptions, type Channel, ConnectError, connectTtrpc, loadH2c } from "@ctr/rpc";
import { type ShimAddress, socketPathOf } from "./shim-address.ts";

export type { TaskClient };

/** A connection to a shim. Ended by disposing, by the shim's end, and by nothing else. */
export interface ShimConnection extends AsyncDisposable {
  readonly task: TaskClient;
  /** For what else a shim may serve. */
  readonly channel: Channel;
  /** The shim's pid, if it was asked for it. */
  readonly pid: number | undefined;
  /** Asks the shim for its pid, which is a sign of life, too. */
  greet(id: string, call: CallOptions): Promise<number>;
  /** The connection is lost: whether the shim is too, only a new one can tell. */
  readonly isClosed: boolean;
  /** Resolves when the connection is lost. */
  readonly closed: Promise<void>;
}

/** Nobody answers at the shim's address. It is dead, unlike one that is merely slow or that we may not talk to. */
export class ShimGoneError extends Error {
  constructor(address: string, cause: unknown) {
    super(`no shim answers at ${address}`, { cause });
    this.name = "ShimGoneError";
  }
}

const CONNECT_TIMEOUT_MS = 5000;

/** Connects to a shim. `ShimGoneError` when nobody listens there, `unavailable` for any other reason. */
export async function connectShim(at: ShimAddress, signal: AbortSignal): Promise<ShimConnection> {
  const options = { path: socketPathOf(at.address), signal, connectTimeoutMs: CONNECT_TIMEOUT_MS };
  try {
    if (at.protocol === "grpc") {
      const { connectH2c } = await loadH2c();
      return grpcConnection(await connectH2c({ ...options, errorFrom: errorFromStatus }), at);
    }
    const channel = await connectTtrpc({ ...options, errorFrom: errorFromStatus });
    return connectionOver(channel, at, { isClosed: () => channel.isClosed, closed: channel.closed });
  } catch (error) {
    throw translated(at.address, error);
  }
}

/** Over gRPC a lost connection only shows in the call that fails. */
function grpcConnection(channel: Channel, at: ShimAddress): ShimConnection {
  let isClosed = false;
  let onClosed = () => {};
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });
  const lost = () => {
    isClosed = true;
    onClosed();
  };
  const watched: Channel = {
    async unary(path, method, request, options) {
      try {
        return await channel.unary(path, method, request, options);
      } catch (error) {
        if (hasCode(error, "unavailable")) lost();
        throw error;
      }
    },
    stream: (path, method, requests, options) => channel.stream(path, method, requests, options),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
  return connectionOver(watched, at, { isClosed: () => isClosed, closed });
}

function connectionOver(
  channel: Channel,
  at: ShimAddress,
  end: { readonly isClosed: () => boolean; readonly closed: Promise<void> },
): ShimConnection {
  const task = openTaskClient(channel, at);
  let pid: number | undefined;
  return {
    task,
    channel,
    get pid() {
      return pid;
    },
    async greet(id, call) {
      pid = (await task.connect({ id }, call)).shimPid;
      return pid;
    },
    get isClosed() {
      return end.isClosed();
    },
    closed: end.closed,
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

function translated(address: string, error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  if (error.errno === "ENOENT" || error.errno === "ECONNREFUSED") return new ShimGoneError(address, error);
  return new ContainerdError({
    code: error.errno === "ETIMEDOUT" ? "deadline_exceeded" : "unavailable",
    what: "cannot connect to the shim",
    where: { address },
    why: error.errno,
    cause: error,
  });
}
