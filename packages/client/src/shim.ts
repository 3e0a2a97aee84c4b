import { ContainerdError, errorFromStatus, openTaskClient, type TaskClient } from "@ctr/api";
import { type CallOptions, ConnectError, connectTtrpc, type TtrpcChannel } from "@ctr/rpc";
import { type CallSettings, signalOf } from "./settings.ts";

/** Which shim: the one that the containerd at `address` started for `id`. */
export interface ShimName {
  /** containerd's socket, as its configuration names it. */
  readonly address: string;
  readonly namespace: string;
  readonly id: string;
}

export interface ConnectShimSettings extends CallSettings {
  /** Sockets to try, in order; one that begins with NUL is abstract. */
  readonly sockets: readonly string[];
  readonly namespace: string;
  /** Of the task API; 3, met with 2 where the shim has no 3, when left out. */
  readonly apiVersion?: 2 | 3 | undefined;
}

const CONNECT_TIMEOUT_MS = 5000;

/** The socket of a shim and, of old, its abstract one. Engine reference: 11.2. */
export async function shimSockets({ address, namespace, id }: ShimName): Promise<readonly string[]> {
  const name = new TextEncoder().encode(`${address}/${namespace}/${id}`.replaceAll(/\/{2,}/g, "/"));
  const hash = Buffer.from(await crypto.subtle.digest("SHA-256", name)).toString("hex");
  return [`/run/containerd/s/${hash}`, `\0/containerd-shim/${namespace}/${id}/shim.sock`];
}

/** A shim, spoken to without its daemon. Disposing it closes the connection and ends nothing. */
export class Shim implements AsyncDisposable {
  /** The shim's task API; give each call `callOptions()`. */
  readonly task: TaskClient;
  readonly #channel: TtrpcChannel;
  readonly #namespace: string;

  constructor(channel: TtrpcChannel, settings: Pick<ConnectShimSettings, "namespace" | "apiVersion">) {
    const { apiVersion, namespace } = settings;
    this.#channel = channel;
    this.#namespace = namespace;
    this.task = openTaskClient(channel, { version: apiVersion ?? 3, fallback: apiVersion === undefined });
  }

  /** What a call needs: ttrpc has its own name for the namespace. */
  callOptions(settings: CallSettings = {}): CallOptions {
    return { signal: signalOf(settings), metadata: { "containerd-namespace-ttrpc": this.#namespace } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }
}

/** Connects to a shim by the first socket that answers. `unavailable` when none does. */
export async function connectShim(settings: ConnectShimSettings): Promise<Shim> {
  const signal = signalOf(settings);
  let failure: unknown;
  for (const path of settings.sockets) {
    try {
      const options = { path, signal, connectTimeoutMs: CONNECT_TIMEOUT_MS, errorFrom: errorFromStatus };
      return new Shim(await connectTtrpc(options), settings);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      failure ??= error;
    }
  }
  throw new ContainerdError({
    code: "unavailable",
    what: "no shim answers",
    where: { sockets: settings.sockets.map((path) => path.replace("\0", "@")).join(" ") },
    why: failure instanceof Error ? failure.message : "",
    fix: "a shim answers as long as its task is not deleted; its socket is in the bundle's bootstrap.json or address file",
    cause: failure,
  });
}
