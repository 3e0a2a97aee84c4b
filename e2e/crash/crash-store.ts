import { Database } from "bun:sqlite";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { mountsBelow, unmountBelow } from "../support/containerd.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout, mediaTypes, pushLayout, readBlob, writeLayout } from "../support/images.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { checkStore } from "../support/store-check.ts";

/** The test build, whose processes can be told where to die: `scripts/build.sh failpoints`. */
export const crashCtr = process.env["CTR_FAILPOINT_BIN"] ?? resolve(import.meta.dir, "../../dist/ctr-failpoints");

/** An image of three layers that runs, as an archive and in a registry. */
export interface CrashImage extends AsyncDisposable {
  readonly dir: string;
  readonly registry: PrivateRegistry;
  readonly archive: string;
  /** What `images import` calls it. */
  readonly imported: string;
  /** What `images pull` calls it. */
  readonly pulled: string;
  /** Puts it in the registry under one more repository; what `images pull` calls it there. */
  pushAs(repository: string): Promise<string>;
}

export async function openCrashImage(): Promise<CrashImage> {
  const stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "ctr-crash-image-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const registry = stack.use(await startRegistry());
  const pulled = `${registry.host}/crash/image:latest`;
  const layout = { dir: await buildLayout(dir), target: { mediaType: "", digest: "", size: 0 } };
  const index: { readonly manifests: readonly [typeof layout.target] } = JSON.parse(
    await readFile(join(layout.dir, "index.json"), "utf8"),
  );
  layout.target = index.manifests[0];
  await pushLayout(registry.host, "crash/image", "latest", layout);
  const archive = join(dir, "image.tar");
  await archiveOf(layout, archive);
  return {
    dir,
    registry,
    archive,
    imported: IMPORTED,
    pulled,
    async pushAs(repository) {
      await pushLayout(registry.host, repository, "latest", layout);
      return `${registry.host}/${repository}:latest`;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const IMPORTED = "crash.test/image:latest";

async function buildLayout(dir: string): Promise<string> {
  const busybox = await busyboxLayout();
  const manifest: { readonly layers: readonly [{ readonly digest: string }] } = JSON.parse(
    (await readBlob(busybox, busybox.target.digest)).toString(),
  );
  const layers = ["base", "middle", "top"].map((name) => join(dir, name));
  for (const [at, layer] of layers.entries()) {
    await mkdir(join(layer, "etc"), { recursive: true });
    await writeFile(join(layer, "etc", `layer-${at}`), `${at}\n`.repeat(20_000 * (at + 1)));
  }
  const tar = join(dir, "base.tar.gz");
  await writeFile(tar, await readBlob(busybox, manifest.layers[0].digest));
  await mustRun(["tar", "-C", layers[0] ?? "", "-xzf", tar]);
  const config = { Env: ["PATH=/bin"], Cmd: ["true"] };
  return await writeLayout(dir, mediaTypes.oci, [{ os: "linux", architecture: "amd64", layers, config }], IMPORTED);
}

/** A store of its own that commands of the test build are run on, and killed in. */
export interface CrashStore extends AsyncDisposable {
  readonly root: string;
  readonly address: string;
  /** Runs a command with `env`, and returns how it ended: 137 for one that killed itself. */
  ctr(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>;
  must(words: readonly string[]): Promise<void>;
  /** What a crash must not do: rows without what they promise. Empty when all is well. */
  problems(): readonly string[];
  /** Removes everything by its name, lets two days pass and collects; returns what is left all the same. */
  leftovers(): Promise<readonly string[]>;
}

export interface CrashStoreOptions {
  /** Without failpoints there is no clock to put forward either: `leftovers` is not for it. */
  readonly binary?: string;
  /** The directory that the store's own is made in. */
  readonly parent?: string;
}

export async function openCrashStore(template?: string, options: CrashStoreOptions = {}): Promise<CrashStore> {
  const { binary = crashCtr, parent = tmpdir() } = options;
  const dir = await mkdtemp(join(parent, "ctr-crash-"));
  const root = join(dir, "root");
  if (template !== undefined) await copyStore(template, root);
  const address = `embedded://${root}`;
  const ctr = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    run([binary, "--address", address, ...words], { env });
  const must = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { code, stderr } = await ctr(words, env);
    if (code !== 0) throw new Error(`ctr ${words.join(" ")}: exit ${code}: ${stderr}`);
  };
  return {
    root,
    address,
    ctr,
    must,
    problems: () => checkStore(root).problems,
    async leftovers() {
      await removeByName({ ctr, must });
      await must(["leases", "create", "--id", "last"], LATER);
      await must(["leases", "rm", "--sync", "last"], LATER);
      const { problems, garbage, rows } = checkStore(root);
      const mounts = [...(await mountsBelow(root)), ...(await mountsBelow(stateOf(root)))];
      const counts = Object.entries(rows).map(([table, count]) => `${count} rows in ${table}`);
      return [...problems, ...garbage, ...counts, ...mounts, ...(await shimsOf(root))];
    },
    async [Symbol.asyncDispose]() {
      if (hasId(root)) await forgetStore(root);
      await unmountBelow(dir);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function hasId(root: string): boolean {
  try {
    return stateOf(root) !== "";
  } catch {
    // The first command was killed before it had made the store.
    return false;
  }
}

/** Past the day that ingests, and leases of the dead, are kept for. */
const LATER = { CTR_CLOCK_SHIFT: String(2 * 24 * 3600) };

/** A copy that is another store: state directories go by the id. Files of many names, as busybox is, stay one file. */
async function copyStore(from: string, to: string): Promise<void> {
  await mustRun(["cp", "-a", "--", from, to]);
  using db = new Database(join(to, "meta.db"));
  const id = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
  db.run("UPDATE meta SET value = ? WHERE key = 'id'", [id]);
}

async function removeByName({ ctr, must }: Pick<CrashStore, "ctr" | "must">): Promise<void> {
  const names = async (words: readonly string[]) =>
    (await ctr([...words, "ls", "-q"])).stdout.split("\n").filter(Boolean);
  for (const id of await names(["containers"])) {
    // There may be no task, or only what is left of one.
    await ctr(["tasks", "rm", "--force", id]);
    await must(["containers", "rm", id]);
  }
  for (const name of await names(["images"])) await must(["images", "rm", name]);
}

/** Shims that still run for a store, by the address they were given. */
async function shimsOf(root: string): Promise<readonly string[]> {
  const address = join(stateOf(root), "engine.sock");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  // A process may end between the two reads; then it is no shim that stays.
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.split("\0").includes(address)).map((line) => line.replaceAll("\0", " "));
}
