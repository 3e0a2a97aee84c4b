import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { type CrashImage, type CrashStore, openCrashImage, openCrashStore } from "./crash-store.ts";
import { recordDiskCalls } from "./lost-power/disk-calls.ts";
import { type DiskHistory, DiskRecorder } from "./lost-power/disk-history.ts";
import { type PowerCut, writeDiskAfter } from "./lost-power/power-cut.ts";

/**
 * A command of the shipped binary is recorded once, call by call. Then the power goes at one moment after the other: what
 * was not synced by then is lost, or all of it but the names, or each step of it by the toss of a coin. `npm test` tries
 * some moments of each kind, `npm run test:long` all at which the disk would be another.
 */
const everyCut = process.env["CTR_TEST_LONG"] === "1";
const SEED = 20_000;

/** In memory: what a disk would do is known from the recording, and everybody else's syncs would be waited for. */
const shipped = { binary: ourCtr, parent: "/dev/shm" };

let image: CrashImage;
let stacked: AsyncDisposableStack;
/** Stores with the image in them, by the snapshotter that it is unpacked with. */
let unpacked: Readonly<Record<"overlayfs" | "native", CrashStore>>;

beforeAll(async () => {
  stacked = new AsyncDisposableStack();
  image = stacked.use(await openCrashImage());
  const open = async (snapshotter: string) => {
    const store = stacked.use(await openCrashStore(undefined, shipped));
    await store.must(["images", "import", "--snapshotter", snapshotter, image.archive]);
    return store;
  };
  unpacked = { overlayfs: await open("overlayfs"), native: await open("native") };
});
afterAll(() => stacked.disposeAsync());

interface Scenario {
  readonly name: string;
  readonly from: "empty" | "overlayfs" | "native";
  prepare?(store: CrashStore): Promise<void>;
  command(): readonly string[];
  clear?(store: CrashStore): Promise<unknown>;
  /** Somebody else has the database open: only the last to close it brings its log to disk by that. */
  readonly shared?: true;
  /** The command's own words where the one before had done its work. */
  readonly done?: RegExp;
  /** What the command has reported as done, asked where the power went after its end. */
  readonly kept: { ask(): readonly string[]; readonly answer: (stdout: string) => boolean };
}

const runs = (snapshotter: "overlayfs" | "native"): Scenario => ({
  name: `run --rm --snapshotter ${snapshotter}`,
  from: snapshotter,
  command: () => ["run", "--rm", "--snapshotter", snapshotter, image.imported, "c1", "true"],
  async clear(store) {
    await store.ctr(["tasks", "rm", "--force", "c1"]);
    await store.ctr(["containers", "rm", "c1"]);
  },
  kept: { ask: () => ["containers", "ls", "-q"], answer: (stdout) => stdout === "" },
});

const scenarios: readonly Scenario[] = [
  {
    name: "pull",
    from: "empty",
    command: () => ["images", "pull", "--plain-http", image.pulled],
    kept: { ask: () => ["images", "ls", "-q"], answer: (stdout) => stdout.includes(image.pulled) },
  },
  {
    name: "import",
    from: "empty",
    command: () => ["images", "import", image.archive],
    kept: { ask: () => ["images", "ls", "-q"], answer: (stdout) => stdout.includes(image.imported) },
  },
  {
    name: "import for the native snapshotter",
    from: "empty",
    command: () => ["images", "import", "--snapshotter", "native", image.archive],
    kept: { ask: () => ["images", "ls", "-q"], answer: (stdout) => stdout.includes(image.imported) },
  },
  runs("overlayfs"),
  runs("native"),
  {
    name: "containers create",
    from: "overlayfs",
    shared: true,
    command: () => ["containers", "create", image.imported, "c1"],
    clear: (store) => store.ctr(["containers", "rm", "c1"]),
    kept: { ask: () => ["containers", "ls", "-q"], answer: (stdout) => stdout === "c1\n" },
  },
  {
    name: "containers rm",
    from: "overlayfs",
    shared: true,
    prepare: (store) => store.must(["containers", "create", image.imported, "c1"]),
    command: () => ["containers", "rm", "c1"],
    done: /not found/,
    kept: { ask: () => ["containers", "ls", "-q"], answer: (stdout) => stdout === "" },
  },
  {
    name: "images rm --sync, and its collection",
    from: "overlayfs",
    command: () => ["images", "rm", "--sync", image.imported],
    done: /not found/,
    kept: { ask: () => ["images", "ls", "-q"], answer: (stdout) => stdout === "" },
  },
];

for (const scenario of scenarios) {
  test(`C1, C2, C4: power lost during ${scenario.name} loses nothing that was committed, and the repeat succeeds`, async () => {
    await using store = await openCrashStore(
      scenario.from === "empty" ? undefined : unpacked[scenario.from].root,
      shipped,
    );
    await scenario.prepare?.(store);
    const { history, whole } = await record(store, scenario);
    const faults: string[] = [];
    for (const cut of cutsOf(history)) faults.push(...(await cutAt(scenario, { history, whole, cut })));
    expect(faults).toEqual([]);
  }, 3_600_000);
}

interface Recording {
  readonly history: DiskHistory;
  /** Digests of committed snapshots' trees, by snapshotter and name, as they are when nothing goes wrong. */
  readonly whole: ReadonlyMap<string, string>;
}

async function record(store: CrashStore, scenario: Scenario): Promise<Recording> {
  const top = join(store.root, "..");
  const trees = await snapshotTrees(store.root);
  // Everything before the command began is on disk, and the machine has just been started.
  if (existsSync(join(store.root, "meta.db"))) await forgetStore(store.root);
  const recorder = await DiskRecorder.begin(top);
  // Only now: this process gives up its locks on a file with each that it closes.
  using other = scenario.shared && new Database(join(store.root, "meta.db"));
  other?.query("SELECT * FROM meta").all();
  const argv = [ourCtr, "--address", store.address, ...scenario.command()];
  const history = recorder.history(await recordDiskCalls(argv, top));
  return { history, whole: new Map([...trees, ...(await snapshotTrees(store.root))]) };
}

function cutsOf({ steps, syncs, end }: DiskHistory): readonly PowerCut[] {
  const during = steps.filter(({ at }) => at >= 0);
  const changes = during.map(({ at }) => at);
  const names = during.filter(({ change }) => change.kind === "names").map(({ at }) => at);
  const last: PowerCut = { line: end, kept: "nothing" };
  return [
    // Between two syncs nothing is lost or kept that was not before.
    ...some(syncs, 5).map((line): PowerCut => ({ line, kept: "nothing" })),
    ...some(inOrder([...syncs, ...names]), 3).map((line): PowerCut => ({ line, kept: "names" })),
    // Of the tosses there is no end: one at every fifth step.
    ...some(inOrder(changes.filter((_, at) => at % 5 === 0)), 2).map((line): PowerCut => ({ line, kept: SEED + line })),
    last,
  ];
}

function inOrder(lines: readonly number[]): readonly number[] {
  return lines.toSorted((a, b) => a - b);
}

/** All of them in the long run, else some at equal distances, the last one among them. */
function some(lines: readonly number[], count: number): readonly number[] {
  const all = [...new Set(lines)];
  if (everyCut || all.length <= count) return all;
  return Array.from({ length: count }, (_, at) => all[Math.ceil(((at + 1) * all.length) / count) - 1] ?? 0);
}

async function cutAt(
  scenario: Scenario,
  { history, whole, cut }: Recording & { readonly cut: PowerCut },
): Promise<readonly string[]> {
  await using store = await openCrashStore(undefined, shipped);
  await writeDiskAfter(history, cut, join(store.root, ".."));
  const tell = (what: readonly string[]) =>
    what.map((each) => `${scenario.name}, cut at line ${cut.line} of ${history.end}, ${cut.kept} kept: ${each}`);
  const verified = await store.ctr(["content", "verify"]);
  const unmountable = tell(await unmountableSnapshots(store));
  // With the memory of the machine the bundles are gone; the next command that asks for a task finds that out. And an
  // extraction's own snapshots are only as good as the command they were for.
  const first = tell(store.problems().filter((problem) => !/^(task|snapshot extract-)/.test(problem)));
  const torn = tell(await tornSnapshots(store.root, whole));
  const kept = cut.line < history.end ? undefined : await store.ctr(scenario.kept.ask());
  await scenario.clear?.(store);
  const again = await store.ctr(scenario.command());
  const repeated = again.code === 0 || scenario.done?.test(again.stderr) === true;
  return [
    ...(verified.code === 0 ? [] : tell([`content verify: ${verified.stdout}${verified.stderr}`])),
    ...unmountable,
    ...first,
    ...torn,
    ...(kept === undefined || scenario.kept.answer(kept.stdout) ? [] : tell([`what was done is not: ${kept.stdout}`])),
    ...(repeated ? [] : tell([`the repeat ended with ${again.code}: ${again.stderr}`])),
    ...tell(store.problems()),
    ...tell(await tornSnapshots(store.root, whole)),
  ];
}

/** Snapshots for containers that cannot be mounted; that they can is also what gives them back their empty directories. */
async function unmountableSnapshots(store: CrashStore): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const { snapshotter, key, kind } of snapshotRows(store.root)) {
    if (kind === "committed" || key.startsWith("extract-")) continue;
    const asked = await store.ctr(["snapshots", "--snapshotter", snapshotter, "mounts", "/nowhere", key]);
    const sources = asked.stdout.match(/(?<=upperdir=|workdir=|bind )[^, ]+/g) ?? [];
    if (asked.code !== 0 || sources.length === 0)
      faults.push(`snapshot ${key} has no mounts: ${asked.stdout}${asked.stderr}`);
    faults.push(...sources.filter((dir) => !existsSync(dir)).map((dir) => `snapshot ${key} has no ${dir}`));
  }
  return faults;
}

/** Committed snapshots that are not what they were, and copies for containers that are not what they were copied from. */
async function tornSnapshots(root: string, whole: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const trees = await snapshotTrees(root);
  const copies = await copiedTrees(root);
  return [
    ...[...trees].filter(([name, digest]) => whole.get(name) !== digest).map(([name]) => `snapshot ${name} is torn`),
    ...copies.filter(({ digest, parent }) => digest !== parent).map(({ key }) => `the copy ${key} is torn`),
  ];
}

interface Row {
  readonly id: number;
  readonly snapshotter: string;
  readonly kind: string;
  readonly key: string;
  readonly parent: number | null;
}

async function snapshotTrees(root: string): Promise<ReadonlyMap<string, string>> {
  const trees = new Map<string, string>();
  for (const { id, snapshotter, key } of snapshotRows(root).filter(({ kind }) => kind === "committed"))
    trees.set(`${snapshotter} ${key}`, await treeDigest(root, snapshotter, id));
  return trees;
}

async function copiedTrees(root: string) {
  const copies = snapshotRows(root).flatMap(({ id, key, kind, parent, snapshotter }) =>
    kind === "active" && snapshotter === "native" && parent !== null && !key.startsWith("extract-")
      ? [{ key, id, parent }]
      : [],
  );
  const digest = (id: number) => treeDigest(root, "native", id);
  return await Promise.all(
    copies.map(async ({ key, id, parent }) => ({ key, digest: await digest(id), parent: await digest(parent) })),
  );
}

async function treeDigest(root: string, snapshotter: string, id: number): Promise<string> {
  const dir = join(root, `io.containerd.snapshotter.v1.${snapshotter}/snapshots/${id}`);
  const lines = await describeTree(snapshotter === "overlayfs" ? join(dir, "fs") : dir);
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

function snapshotRows(root: string): readonly Row[] {
  if (!existsSync(join(root, "meta.db"))) return [];
  using db = new Database(join(root, "meta.db"), { readonly: true });
  // Power may be lost before there are tables.
  if (db.query("SELECT 1 FROM sqlite_schema WHERE name = 'snapshots'").get() === null) return [];
  // The statement names the columns that the type has.
  return db.query("SELECT id, snapshotter, kind, key, parent FROM snapshots").all() as Row[];
}

/** One line a name: kind, mode, and what is in it. Most names of busybox are one file, which is read once. */
async function describeTree(dir: string, digests = new Map<number, string>()): Promise<readonly string[]> {
  if (!existsSync(dir)) return ["missing"];
  const lines: string[] = [];
  for (const name of (await readdir(dir)).toSorted()) {
    const path = join(dir, name);
    const stats = await lstat(path);
    const content = stats.isFile() ? (digests.get(stats.ino) ?? (await digestOf(path))) : "";
    digests.set(stats.ino, content);
    const target = stats.isSymbolicLink() ? await readlink(path) : "";
    lines.push(`${name} ${stats.mode.toString(8)} ${content}${target}`);
    if (stats.isDirectory()) lines.push(...(await describeTree(path, digests)), "..");
  }
  return lines;
}

async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
