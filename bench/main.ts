import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openArena } from "./arena.ts";
import { type Case, timeCase } from "./case.ts";
import { archives } from "./cases/archives.ts";
import { containers } from "./cases/containers.ts";
import { content } from "./cases/content.ts";
import { lists } from "./cases/lists.ts";
import { pulls } from "./cases/pulls.ts";
import { startUp } from "./cases/start-up.ts";
import { type Row, rowOf, tableOf } from "./stats.ts";

const groups: Readonly<Record<string, readonly Case[]>> = {
  "start-up": startUp,
  lists,
  pulls,
  archives,
  containers,
  content,
};

/** `bench/main.ts [GROUP…]`: every group without an argument. BENCH_ROUNDS overrides the rounds of each case. */
async function main(words: readonly string[]): Promise<void> {
  const wanted = words.length === 0 ? Object.keys(groups) : words;
  const unknown = wanted.find((name) => groups[name] === undefined);
  if (unknown !== undefined) throw new Error(`no group ${unknown}: there are ${Object.keys(groups).join(", ")}`);
  const results = resolve(import.meta.dir, "results");
  await mkdir(results, { recursive: true });
  for (const name of wanted) {
    // A place of its own for each group: what one leaves must not slow the next.
    await using arena = await openArena();
    const rows: Row[] = [];
    for (const one of groups[name] ?? []) {
      const rounds = Number(process.env["BENCH_ROUNDS"] ?? one.rounds);
      const row = rowOf(one, await timeCase(arena, { ...one, rounds }));
      rows.push(row);
      process.stderr.write(`${tableOf([row]).split("\n").at(-1)}\n`);
    }
    process.stdout.write(`\n## ${name}\n\n${tableOf(rows)}\n`);
    await writeFile(join(results, `${name}.json`), `${JSON.stringify(rows, null, 2)}\n`);
  }
}

await main(process.argv.slice(2));
