import { ContainerdError, errorFromStatus, hasCode, taskV2 } from "@ctr/api";
import { type Channel, ConnectError, connectH2c, connectTtrpc, createClient, type ServiceClient } from "@ctr/rpc";
import { type ShimAddress, socketPathOf } from "./shim-address.ts";

export type TaskClient = ServiceClient<typeof taskV2.TaskDefinition>;

/** Version 3 has the messages of version 2 under another name. */
const TaskV3Definition = { ...taskV2.TaskDefinition, fullName: "containerd.task.v3.Task" } as const;

/** A connection to a shim. Ended by disposing, by the shim's end, and by nothing else. */
export interface ShimConnection extends AsyncDisposable {
  readonly task: TaskClient;
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
    if (at.protocol === "grpc") return grpcConnection(await connectH2c({ ...options, errorFrom: errorFromStatus }), at);
    const channel = await connectTtrpc({ ...options, errorFrom: errorFromStatus });
    return {
      task: versionedClient(channel, at.version),
      get isClosed() {
        return channel.isClosed;
      },
      closed: channel.closed,
      [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
    };
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
  return {
    task: versionedClient(watched, at.version),
    get isClosed() {
      return isClosed;
    },
    closed,
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

/** The task API as `version` names it. A shim that says 3 and serves only 2 is met with 2 from then on. */
function versionedClient(channel: Channel, version: number): TaskClient {
  const v2 = createClient(taskV2.TaskDefinition, channel);
  return version < 3 ? v2 : createClient(TaskV3Definition, withFallback(channel));
}

/** Tries version 3 of the task API, and version 2 once a method of 3 turns out not to be there. */
function withFallback(channel: Channel): Channel {
  let fallenBack = false;
  const v2Path = (path: string) => path.replace(TaskV3Definition.fullName, taskV2.TaskDefinition.fullName);
  return {
    async unary(path, method, request, options) {
      if (fallenBack) return await channel.unary(v2Path(path), method, request, options);
      try {
        return await channel.unary(path, method, request, options);
      } catch (error) {
        if (!hasCode(error, "unimplemented")) throw error;
        // A method that version 2 does not have either ends in the same error.
        const answer = await channel.unary(v2Path(path), method, request, options);
        fallenBack = true;
        return answer;
      }
    },
    stream: (path, method, requests, options) => channel.stream(path, method, requests, options),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}
