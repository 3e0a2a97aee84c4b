import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CrashImage, type CrashStore, openCrashImage, openCrashStore } from "./crash-store.ts";

/**
 * Each command is first watched: which failpoints does it pass, and how often? Then it is run again for each of them,
 * and dies there. In `npm test` that is the first and the last passing of each, in `npm run test:long` every one. Where a
 * disk fails instead, the process lives, and is to clean up after itself.
 */
const everyPassing = process.env["CTR_TEST_LONG"] === "1";

let image: CrashImage;
let stacked: AsyncDisposableStack;
let unpacked: CrashStore;

beforeAll(async () => {
  stacked = new AsyncDisposableStack();
  image = stacked.use(await openCrashImage());
  unpacked = stacked.use(await openCrashStore());
  await unpacked.must(["images", "import", image.archive]);
});
afterAll(() => stacked.disposeAsync());

interface Scenario {
  readonly name: string;
  /** Brings a fresh store to where the command begins; the image is unpacked already unless `empty`. */
  readonly empty?: boolean;
  prepare?(store: CrashStore): Promise<void>;
  command(): readonly string[];
  /** What a user does before he repeats the command, should it have come far enough. */
  clear?(store: CrashStore): Promise<unknown>;
  /** The command's own words when the killed one had done its work. */
  readonly done?: RegExp;
}

const scenarios: readonly Scenario[] = [
  { name: "pull", empty: true, command: () => ["images", "pull", "--plain-http", image.pulled] },
  { name: "import", empty: true, command: () => ["images", "import", image.archive] },
  {
    name: "run --rm",
    command: () => ["run", "--rm", image.imported, "c1", "true"],
    // As with containerd: a container is a record, and what was asked for by name is the user's until he removes it.
    async clear(store) {
      await store.ctr(["tasks", "rm", "--force", "c1"]);
      await store.ctr(["containers", "rm", "c1"]);
    },
  },
  {
    name: "tasks rm",
    prepare: (store) => store.must(["run", "-d", image.imported, "c1", "sleep", "1000"]),
    command: () => ["tasks", "rm", "--force", "c1"],
    done: /not found/,
  },
  {
    name: "containers rm",
    prepare: (store) => store.must(["containers", "create", image.imported, "c1"]),
    command: () => ["containers", "rm", "c1"],
    done: /not found/,
  },
  { name: "images rm", command: () => ["images", "rm", image.imported], done: /not found/ },
  {
    name: "a collection",
    prepare: async (store) => {
      await store.must(["leases", "create", "--id", "gc"]);
      await store.ctr(["images", "rm", image.imported], { CTR_FAILPOINT: "gc.rows:eio" });
    },
    command: () => ["leases", "rm", "--sync", "gc"],
    done: /not found/,
  },
];

for (const scenario of scenarios) {
  test(`C1, C3: ${scenario.name}, killed at each of its failpoints, leaves no dangling row and nothing GC does not take`, async () => {
    const points = await watch(scenario, "kill");
    expect(points.length).toBeGreaterThan(3);
    const faults: string[] = [];
    for (const point of points) faults.push(...(await killAt(scenario, point)));
    expect(faults).toEqual([]);
  }, 1_800_000);
}

for (const scenario of scenarios.filter(({ name }) => /^(pull|import|run --rm)$/.test(name))) {
  test(`C4: ${scenario.name}, with an I/O error at each of its failpoints, says so, and its repeat succeeds`, async () => {
    const faults: string[] = [];
    for (const point of await watch(scenario, "eio")) faults.push(...(await failAt(scenario, point)));
    expect(faults).toEqual([]);
  }, 1_800_000);
}

/** The failpoints that a command passes, with the passings to act at: `name:action:nth`. */
async function watch(scenario: Scenario, action: "kill" | "eio" | "enospc"): Promise<readonly string[]> {
  await using store = await openAt(scenario);
  const trace = join(image.dir, "trace");
  await rm(trace, { force: true });
  const watched = await store.ctr(scenario.command(), { CTR_FAILPOINT_TRACE: trace });
  expect(watched).toMatchObject({ code: 0 });
  const counts = new Map<string, number>();
  for (const name of (await readFile(trace, "utf8")).trimEnd().split("\n"))
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].flatMap(([name, count]) => passings(name, count).map((nth) => `${name}:${action}:${nth}`));
}

function passings(name: string, count: number): readonly number[] {
  const all = Array.from({ length: count }, (_, at) => at + 1);
  // Transactions have no better name than their number: every third of them.
  const some = name === "database.commit" ? all.filter((nth) => nth % 3 === 0) : [];
  return everyPassing ? all : [...new Set([1, ...some, count])];
}

async function killAt(scenario: Scenario, point: string): Promise<readonly string[]> {
  await using store = await openAt(scenario);
  const tell = (what: readonly string[]) => what.map((each) => `${scenario.name} at ${point}: ${each}`);
  const killed = await store.ctr(scenario.command(), { CTR_FAILPOINT: point });
  // Workers and timing decide how often some points are passed; one that was not reached proves nothing.
  if (killed.code === 0) return [];
  if (killed.code !== 137) return tell([`exit ${killed.code}: ${killed.stderr}`]);
  const after = tell(store.problems());
  await scenario.clear?.(store);
  const again = await store.ctr(scenario.command());
  const repeated = again.code === 0 || scenario.done?.test(again.stderr) === true;
  return [
    ...after,
    ...(repeated ? [] : tell([`the repeat ended with ${again.code}: ${again.stderr}`])),
    ...tell(store.problems()),
    ...tell(await store.leftovers()),
  ];
}

/** An error where the command can still do without what failed, its clean-up say, need not fail it. */
async function failAt(scenario: Scenario, point: string): Promise<readonly string[]> {
  await using store = await openAt(scenario);
  const tell = (what: readonly string[]) => what.map((each) => `${scenario.name} at ${point}: ${each}`);
  const failed = await store.ctr(scenario.command(), { CTR_FAILPOINT: point });
  const after = tell(store.problems());
  const said = failed.code === 0 || /EIO|i\/o error/.test(failed.stderr);
  // What the command could not remove, because removing was what failed, the user removes.
  await scenario.clear?.(store);
  const again = await store.ctr(scenario.command());
  return [
    ...after,
    ...(said ? [] : tell([`exit ${failed.code}: ${failed.stderr}`])),
    ...(again.code === 0 ? [] : tell([`the repeat ended with ${again.code}: ${again.stderr}`])),
    ...tell(store.problems()),
    ...tell(await store.leftovers()),
  ];
}

async function openAt({ empty, prepare }: Scenario): Promise<CrashStore> {
  const store = await openCrashStore(empty === true ? undefined : unpacked.root);
  await prepare?.(store);
  return store;
}
