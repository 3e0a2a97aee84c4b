import { afterAll, beforeAll, expect, test } from "bun:test";
import { type CrashImage, type CrashStore, crashCtr, openCrashImage, openCrashStore } from "./crash-store.ts";

/** One store lives through all kills, as a machine's does: what one of them broke, a later command would meet. */
const kills = process.env["CTR_TEST_LONG"] === "1" ? 200 : 10;
const seed = Number(process.env["CTR_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let image: CrashImage;
let store: CrashStore;

beforeAll(async () => {
  image = await openCrashImage();
  store = await openCrashStore();
  await store.must(["images", "import", image.archive]);
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await image[Symbol.asyncDispose]();
});

interface Turn {
  readonly words: readonly string[];
  /** What must work once the killed command is made up for. */
  readonly repeat: readonly (readonly string[])[];
}

function turns(): readonly Turn[] {
  const once = (words: readonly string[]): Turn => ({ words, repeat: [words] });
  const pull = ["images", "pull", "--plain-http", image.pulled];
  return [
    once(pull),
    once(["images", "import", image.archive]),
    once(["run", "--rm", image.imported, "c1", "true"]),
    // Removing twice is "not found": the repeat is to bring back what was removed.
    { words: ["images", "rm", "--sync", image.pulled], repeat: [pull] },
    { words: ["images", "rm", image.imported], repeat: [["images", "import", image.archive]] },
  ];
}

test(`C3: ${kills} commands killed at random moments (seed ${seed}) leave a sound store, and their repeats succeed`, async () => {
  const random = randomNumbers(seed);
  const longest = new Map<string, number>();
  for (let kill = 0; kill < kills; kill++) {
    const all = turns();
    const turn = all[Math.floor(random() * all.length)] ?? all[0];
    if (turn === undefined) throw new Error("there are no turns");
    const name = turn.words.slice(0, 2).join(" ");
    const where = { seed, kill, name };
    const budget = longest.get(name) ?? 250;
    const took = await runAndKill(turn.words, random() * budget);
    if (took !== undefined) longest.set(name, took);
    expect({ ...where, problems: store.problems() }).toEqual({ ...where, problems: [] });
    await forgetContainer();
    for (const words of turn.repeat) {
      const { code, stderr } = await store.ctr(words);
      expect({ ...where, code, stderr }).toMatchObject({ ...where, code: 0 });
    }
    expect({ ...where, problems: store.problems() }).toEqual({ ...where, problems: [] });
  }
  expect(await store.leftovers()).toEqual([]);
}, 1_800_000);

/** Kills the command after `afterMs`; the milliseconds it took when it was done before. */
async function runAndKill(words: readonly string[], afterMs: number): Promise<number | undefined> {
  const began = performance.now();
  const child = Bun.spawn([crashCtr, "--address", store.address, ...words], { stdio: ["ignore", "ignore", "ignore"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
  await child.exited;
  clearTimeout(timer);
  return child.signalCode === null ? performance.now() - began : undefined;
}

async function forgetContainer(): Promise<void> {
  // Most turns have none.
  await store.ctr(["tasks", "rm", "--force", "c1"]);
  await store.ctr(["containers", "rm", "c1"]);
}

/** mulberry32: the same numbers for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
