import { ContainerdError, type ErrorCode, errorFromStatus } from "@ctr/api";
import { ConnectError, connectH2c } from "@ctr/rpc";
import { Client, DEFAULT_NAMESPACE } from "./client.ts";
import { signalOf } from "./settings.ts";

/** Where containerd listens unless told otherwise. */
export const DEFAULT_ADDRESS = "/run/containerd/containerd.sock";
/** How long connecting may take unless told otherwise, as in the Go tool. */
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;

export interface ConnectSettings {
  /** Path of the socket; `CONTAINERD_ADDRESS`, else containerd's default. */
  readonly address?: string | undefined;
  /** `CONTAINERD_NAMESPACE`, else `default`. */
  readonly namespace?: string | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects to a containerd. Disposing the client closes the connection. Fails with the Go tool's words when nothing
 * listens: `unavailable`, or `permission_denied` when the socket may not be used.
 */
export async function connect(settings: ConnectSettings = {}): Promise<Client> {
  const address = settings.address ?? process.env["CONTAINERD_ADDRESS"] ?? DEFAULT_ADDRESS;
  const namespace = settings.namespace ?? process.env["CONTAINERD_NAMESPACE"] ?? DEFAULT_NAMESPACE;
  const connectTimeoutMs = settings.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  try {
    const signal = signalOf(settings);
    const channel = await connectH2c({ path: address, signal, connectTimeoutMs, errorFrom: errorFromStatus });
    return new Client(channel, { namespace, ownsChannel: true });
  } catch (error) {
    throw error instanceof ConnectError ? connectFailed(address, error) : error;
  }
}

interface Failure {
  readonly code: ErrorCode;
  readonly words: string;
  readonly fix: string;
}

const failures: Readonly<Record<string, Failure>> = {
  ENOENT: {
    code: "unavailable",
    words: "no such file or directory",
    fix: "is containerd running? start it, or name its socket with --address",
  },
  ENOTDIR: { code: "unavailable", words: "not a directory", fix: "name containerd's socket with --address" },
  ECONNREFUSED: {
    code: "unavailable",
    words: "connection refused",
    fix: "nothing listens on this socket: is containerd running?",
  },
  EACCES: {
    code: "permission_denied",
    words: "permission denied",
    fix: "the socket belongs to root: use sudo, or ask for access to the group that owns it",
  },
  ETIMEDOUT: { code: "deadline_exceeded", words: "i/o timeout", fix: "containerd does not answer; look at its log" },
};

/** What stat finds missing is told as the Go tool tells it, before it dials; the rest as its dialler does. */
function connectFailed(address: string, cause: ConnectError): ContainerdError {
  const { code, words, fix } = failures[cause.errno] ?? { code: "unavailable", words: cause.errno, fix: undefined };
  const hint = fix === undefined ? {} : { fix };
  const missing = statFault(address);
  const what =
    missing === undefined
      ? `connection error: desc = "transport: Error while dialing: dial unix ${address}: connect: ${words}"`
      : `cannot access socket ${address}: stat ${address}: ${failures[missing]?.words ?? missing}`;
  return new ContainerdError({ code, what, ...hint, cause });
}

/** Why the path cannot even be looked at; undefined when something is there. */
function statFault(address: string): string | undefined {
  try {
    process.getBuiltinModule("node:fs").statSync(address);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "EIO";
  }
}
