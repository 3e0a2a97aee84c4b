import { hasCode } from "@ctr/api";
import { Client, connect } from "@ctr/client";
import type { Globals } from "./command.ts";

/** Nanoseconds that connecting may take unless `--connect-timeout` says otherwise. */
const DEFAULT_CONNECT_TIMEOUT = 10_000_000_000n;
/** What a containerd leaves behind that ran here once; where it stands, an empty store would be mistaken for the node's. */
const CONTAINERD_DATABASE = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db";

interface Cancel {
  readonly signal: AbortSignal;
}

/** Whom a command talks to. */
export type EngineChoice =
  | { readonly kind: "socket"; readonly address: string }
  | { readonly kind: "embedded"; readonly address: string };

/**
 * The client of whatever the global flags name; the only place that decides whom a command talks to. Fails as the Go
 * tool does where nothing listens.
 */
export async function connectEngine(globals: Globals, options: Cancel): Promise<Client> {
  const choice = chooseEngine(globals, exists);
  return choice.kind === "embedded" ? await openEmbedded(choice.address, globals) : await dial(globals, options);
}

/**
 * An address that was given is taken at its word. Without one it is containerd where it is, or was, at home, and the
 * embedded engine everywhere else.
 */
export function chooseEngine(globals: Globals, exists: (path: string) => boolean): EngineChoice {
  const { address, addressGiven } = globals;
  if (address === "embedded" || address.startsWith("embedded://")) return { kind: "embedded", address };
  if (addressGiven || exists(address) || exists(CONTAINERD_DATABASE)) return { kind: "socket", address };
  return { kind: "embedded", address: "embedded" };
}

/** Asked only without an address: loading node:fs takes as long as the rest of connecting. */
function exists(path: string): boolean {
  return process.getBuiltinModule("node:fs").existsSync(path);
}

/** The embedded engine itself, with what serves it; for `ctr serve`. */
export async function loadEngine(address: string) {
  const { openEngine, rootOfAddress, serveEngine } = await import("@ctr/engine");
  return { engine: openEngine({ root: rootOfAddress(address) }), serveEngine };
}

type Engine = Awaited<ReturnType<typeof loadEngine>>["engine"];

async function openEmbedded(address: string, { namespace }: Globals): Promise<Client> {
  const { engine } = await loadEngine(address);
  // Overlays are root's to mount.
  const snapshotter = process.geteuid?.() === 0 ? "overlayfs" : "native";
  return new Client(channelOf(engine), { namespace, snapshotter, ownsChannel: true });
}

/** The engine's channel, whose end is the engine's. */
function channelOf(engine: Engine): Engine["channel"] {
  const { channel } = engine;
  return {
    unary: (path, method, request, options) => channel.unary(path, method, request, options),
    stream: (path, method, requests, options) => channel.stream(path, method, requests, options),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function dial(globals: Globals, { signal }: Cancel): Promise<Client> {
  const { address, addressGiven, namespace } = globals;
  const timeout = globals.connectTimeout <= 0n ? DEFAULT_CONNECT_TIMEOUT : globals.connectTimeout;
  try {
    const client = await connect({ address, namespace, signal, connectTimeoutMs: Number(timeout / 1_000_000n) });
    // A view, so that nothing closes the connection: the process ends with the command, and saying goodbye takes 0.2 ms.
    return client.withNamespace(namespace);
  } catch (error) {
    // The Go tool gives an error of its dialler no class.
    if (!hasCode(error, "unavailable", "permission_denied")) throw error;
    const hint = addressGiven ? error.fix : `${error.fix}; or work without containerd: ctr --address embedded`;
    const { fail } = await import("./errors.ts");
    throw fail(error.what, hint);
  }
}

/** The socket of a task's shim on the embedded engine; undefined where a containerd is meant, or there is no such task. */
export async function embeddedShimSocket(globals: Globals, id: string): Promise<string | undefined> {
  const choice = chooseEngine(globals, exists);
  if (choice.kind !== "embedded") return undefined;
  await using engine = (await loadEngine(choice.address)).engine;
  return await engine.findShimSocket(globals.namespace, id);
}

/** The embedded engine for repairing its blobs: the API has no call for that, so a daemon cannot be asked. */
export async function openRepair(globals: Globals): Promise<Engine> {
  const choice = chooseEngine(globals, exists);
  if (choice.kind === "embedded") return (await loadEngine(choice.address)).engine;
  const { fail } = await import("./errors.ts");
  throw fail(
    "containerd has no way to replace the bytes of a blob",
    "remove the image with `ctr images rm --sync` and pull it again",
  );
}
