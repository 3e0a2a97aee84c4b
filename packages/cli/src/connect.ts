import type { Client } from "@ctr/client";
import type { Globals } from "./command.ts";

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
 * The client of whatever the global flags name; the only place that decides whom a command talks to. Either way loads
 * only its own code.
 */
export async function connectEngine(globals: Globals, options: Cancel): Promise<Client> {
  const choice = chooseEngine(globals, exists);
  if (choice.kind === "socket") return (await import("./dial.ts")).dial(globals, options);
  // What a command did is told by its end.
  const engine = await loadEngine(choice.address, { settlesLate: true });
  return (await import("./embedded-client.ts")).embeddedClient(engine, globals.namespace);
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

/** A file with something in it, or a socket, whose size is told as infinite. Loading node:fs takes longer than connecting. */
function exists(path: string): boolean {
  return Bun.file(path).size > 0;
}

/** The embedded engine itself; `ctr serve` answers calls one by one, and so must not settle late. */
export async function loadEngine(address: string, options: { readonly settlesLate?: boolean } = {}) {
  const { openEngine, rootOfAddress } = await import("@ctr/engine");
  return openEngine({ ...options, root: rootOfAddress(address) });
}

/** The engine in this process. */
export type EmbeddedEngine = Awaited<ReturnType<typeof loadEngine>>;

/** The socket of a task's shim on the embedded engine; undefined where a containerd is meant, or there is no such task. */
export async function embeddedShimSocket(globals: Globals, id: string): Promise<string | undefined> {
  const choice = chooseEngine(globals, exists);
  if (choice.kind !== "embedded") return undefined;
  await using engine = await loadEngine(choice.address);
  return await engine.findShimSocket(globals.namespace, id);
}

/** What looks at, and repairs, the database of the embedded engine; undefined where a daemon has one of its own. */
export async function loadDatabaseRepair(globals: Globals) {
  const choice = chooseEngine(globals, exists);
  if (choice.kind !== "embedded") return undefined;
  const { loadStoreRepair, rootOfAddress } = await import("@ctr/engine");
  return await loadStoreRepair({ root: rootOfAddress(choice.address) });
}

/** The embedded engine for repairing its blobs: the API has no call for that, so a daemon cannot be asked. */
export async function openRepair(globals: Globals): Promise<EmbeddedEngine> {
  const choice = chooseEngine(globals, exists);
  if (choice.kind === "embedded") return await loadEngine(choice.address);
  const { fail } = await import("./errors.ts");
  throw fail(
    "containerd has no way to replace the bytes of a blob",
    "remove the image with `ctr images rm --sync` and pull it again",
  );
}

/** False only of an embedded store that is not made yet, which connecting would make. */
export async function isThere(globals: Globals): Promise<boolean> {
  const choice = chooseEngine(globals, exists);
  if (choice.kind === "socket") return true;
  const { rootOfAddress } = await import("@ctr/engine");
  return exists(`${rootOfAddress(choice.address)}/meta.db`);
}
