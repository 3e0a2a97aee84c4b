import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Arena, openArena } from "./arena.ts";
import { type Case, timeCase } from "./case.ts";
import { archives } from "./cases/archives.ts";
import { containers } from "./cases/containers.ts";
import { content } from "./cases/content.ts";
import { lists } from "./cases/lists.ts";
import { pulls } from "./cases/pulls.ts";
import { snapshots } from "./cases/snapshots.ts";
import { startUp } from "./cases/start-up.ts";
import { type Fact, tableOfFacts } from "./facts.ts";
import { floor } from "./figures/floor.ts";
import { growth } from "./figures/growth.ts";
import { memory } from "./figures/memory.ts";
import { type Row, rowOf, tableOf } from "./stats.ts";

/** Cases that are timed for every contestant. */
const races: Readonly<Record<string, readonly Case[]>> = {
  "start-up": startUp,
  lists,
  pulls,
  archives,
  containers,
  content,
  snapshots,
};

/** Figures that are ours alone. */
const figures: Readonly<Record<string, (arena: Arena) => Promise<readonly Fact[]>>> = { floor, memory, growth };

const results = resolve(import.meta.dir, "results");

/** `bench/main.ts [GROUP…]`: every group without an argument. BENCH_ROUNDS overrides the rounds of each case. */
async function main(words: readonly string[]): Promise<void> {
  const all = [...Object.keys(races), ...Object.keys(figures)];
  const wanted = words.length === 0 ? all : words;
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`no group ${unknown}: there are ${all.join(", ")}`);
  await mkdir(results, { recursive: true });
  for (const name of wanted) {
    // A place of its own for each group: what one leaves must not slow the next.
    await using arena = await openArena();
    using _ending = endWith(arena);
    const measure = figures[name];
    const [rows, table] = measure === undefined ? await race(arena, races[name] ?? []) : tell(await measure(arena));
    process.stdout.write(`\n## ${name}\n\n${table}\n`);
    await writeFile(join(results, `${name}.json`), `${JSON.stringify(rows, null, 2)}\n`);
  }
}

/** Takes the place down when the bench is interrupted, until disposed. */
function endWith(arena: Arena): Disposable {
  const end = async () => {
    await arena[Symbol.asyncDispose]();
    process.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  return {
    [Symbol.dispose]() {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
    },
  };
}

async function race(arena: Arena, cases: readonly Case[]): Promise<readonly [readonly Row[], string]> {
  const rows: Row[] = [];
  for (const one of cases) {
    const rounds = Number(process.env["BENCH_ROUNDS"] || one.rounds);
    const row = rowOf(one, await timeCase(arena, { ...one, rounds }));
    rows.push(row);
    process.stderr.write(`${tableOf([row]).split("\n").at(-1)}\n`);
  }
  return [rows, tableOf(rows)];
}

function tell(facts: readonly Fact[]): readonly [readonly Fact[], string] {
  return [facts, tableOfFacts(facts)];
}

await main(process.argv.slice(2));
