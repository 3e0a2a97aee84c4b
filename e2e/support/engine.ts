import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "./binaries.ts";
import { endShims, type PrivateContainerd, startContainerd, unmountBelow } from "./containerd.ts";
import { mustRun, waitForLine } from "./process.ts";
import { openStoreDatabase } from "./store-database.ts";

/** Which engine a suite runs on; CTR_E2E_ENGINE names it, containerd unless it does. */
export type EngineKind = "containerd" | "embedded" | "serve";

export function engineKind(): EngineKind {
  const kind = process.env["CTR_E2E_ENGINE"] ?? "containerd";
  if (kind === "containerd" || kind === "embedded" || kind === "serve") return kind;
  throw new Error(`CTR_E2E_ENGINE is ${kind}: it must be containerd, embedded or serve`);
}

/** An engine for a suite: a daemon on a socket, and what our own commands are to be given as their address. */
export interface PrivateEngine extends PrivateContainerd {
  /** For our ctr; the socket, unless the engine is embedded. */
  readonly ourAddress: string;
}

/** Starts the engine the run is for. The embedded one is served besides, for clients that need a socket. */
export async function startEngine(options: { readonly root?: string } = {}): Promise<PrivateEngine> {
  const kind = engineKind();
  if (kind === "containerd") {
    const daemon = await startContainerd(options);
    return Object.assign(daemon, { ourAddress: daemon.address });
  }
  const daemon = await startServe(options);
  return Object.assign(daemon, { ourAddress: kind === "serve" ? daemon.address : `embedded://${daemon.root}` });
}

/** Starts `ctr serve` on a store of its own. Disposing ends it and everything it left running. */
export async function startServe(options: { readonly root?: string } = {}): Promise<PrivateContainerd> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-serve-"));
  const address = join(dir, "c.sock");
  const root = options.root ?? join(dir, "root");
  let daemon = await boot(root, address);
  const end = async (signal: NodeJS.Signals) => {
    daemon.kill(signal);
    await daemon.exited;
  };
  let disposed = false;
  const state = stateOf(root);
  return {
    address,
    dir,
    root,
    state,
    get pid() {
      return daemon.pid;
    },
    kill: end,
    async restart() {
      daemon = await boot(root, address);
    },
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      await end("SIGTERM");
      await forgetStore(root);
      await unmountBelow(dir);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Ends the containers of a store and removes its state directory. */
export async function forgetStore(root: string): Promise<void> {
  const state = stateOf(root);
  await endShims(join(state, "engine.sock"));
  for (const namespace of await readdir(join(state, "runc")).catch(() => [])) {
    const runcRoot = join(state, "runc", namespace);
    for (const id of await readdir(runcRoot)) await mustRun(["runc", "--root", runcRoot, "delete", "--force", id]);
  }
  await unmountBelow(state);
  await rm(state, { recursive: true, force: true });
}

/** Shims of a store and all that they started. */
export async function processesOf(root: string): Promise<readonly string[]> {
  const lines = (await mustRun(["ps", "-eo", "pid=,ppid=,args="])).trim().split("\n");
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const socket = join(stateOf(root), "engine.sock");
  const found = new Set(rows.filter((row) => row.includes(socket)).map(([pid = ""]) => pid));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const [pid = "", parent = ""] of rows) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** The state directory of a store: its name is in the store's database. */
export function stateOf(root: string): string {
  using opened = openStoreDatabase(root);
  const { db } = opened;
  const row = db.query("SELECT value FROM meta WHERE key = 'id'").get();
  if (row === null || typeof row !== "object" || !("value" in row)) throw new Error(`${root}: the store has no id`);
  return join("/run/ctr", String(row.value));
}

/** A `config.toml` by which an engine has the snapshotters of a daemon: `far-` and their names there. */
export function proxyConfig(address: string, names: readonly string[]): string {
  return names
    .map((name) => `[proxy_plugins.far-${name}]\ntype = "snapshot"\naddress = "${address}"\nsnapshotter = "${name}"\n`)
    .join("");
}

async function boot(root: string, address: string) {
  const argv = [ourCtr, "--address", `embedded://${root}`, "serve", "--listen", address];
  const daemon = Bun.spawn(argv, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  await waitForLine(daemon.stderr, /serving containerd's API/, "ctr serve");
  return daemon;
}
