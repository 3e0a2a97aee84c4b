import { pushLayout } from "../../e2e/support/images.ts";
import type { Arena, Contestant } from "../arena.ts";
import { type Case, quietly } from "../case.ts";
import { type BenchImage, benchImage } from "../images.ts";

const refOf = (arena: Arena, image: BenchImage) => `${arena.registry.host}/bench/${image}:latest`;

const pull = (arena: Arena, who: Contestant, image: BenchImage) =>
  quietly(arena.command(who, "images", "pull", "--plain-http", refOf(arena, image)));

/** Removes an image with all that only it kept, and fails if anything stays: the next pull would find it. */
export async function removeImage(arena: Arena, who: Contestant, ref: string): Promise<void> {
  await arena.ctr(who, "images", "rm", "--sync", ref);
  for (const list of [
    ["content", "ls", "-q"],
    ["snapshots", "ls"],
  ]) {
    const rows = (await arena.ctr(who, ...list))
      .trim()
      .split("\n")
      .filter((row) => !/^(KEY|$)/.test(row));
    if (rows.length > 0) throw new Error(`${who} keeps what it should not: ${rows[0]}`);
  }
  // What the last run left to write must not be this run's work.
  await quietly(["sync", "-f", arena.dir]);
}

function pullOf(image: BenchImage, name: string, embedded: number, rounds: number): Case {
  return {
    name: `pull, ${name}`,
    goals: { embedded, ours: 1 },
    rounds,
    setUp: async (arena) => pushLayout(arena.registry.host, `bench/${image}`, "latest", await benchImage(image)),
    run: (arena, who) => pull(arena, who, image),
    after: (arena, who) => removeImage(arena, who, refOf(arena, image)),
  };
}

export const pulls: readonly Case[] = [
  pullOf("large", "6 gzip layers, 864 MB unpacked", 0.4, 5),
  pullOf("large-zstd", "6 zstd layers, 864 MB unpacked", 0.45, 5),
  pullOf("small-files", "40,000 small files in 4 layers", 0.45, 5),
  pullOf("many-layers", "60 small layers", 0.5, 7),
  {
    name: "pull, everything is there",
    goals: { embedded: 0.7, ours: 1 },
    rounds: 15,
    async setUp(arena) {
      await pushLayout(arena.registry.host, "bench/many-layers", "latest", await benchImage("many-layers"));
      for (const who of ["embedded", "ours", "go"] as const) await pull(arena, who, "many-layers");
    },
    run: (arena, who) => pull(arena, who, "many-layers"),
    async tearDown(arena) {
      for (const who of ["embedded", "ours", "go"] as const) await removeImage(arena, who, refOf(arena, "many-layers"));
    },
  },
];
