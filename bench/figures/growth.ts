import type { Arena } from "../arena.ts";
import { quietly } from "../case.ts";
import { fill, makeContainers, makeImages, makeSnapshots } from "../cases/lists.ts";
import { type Fact, timeOf } from "../facts.ts";

const FEW = 300;
const MANY = 10 * FEW;
const ROUNDS = 9;

/** How much longer our engine takes with ten times the objects. */
export async function growth(arena: Arena): Promise<readonly Fact[]> {
  const facts: Fact[] = [];
  for (const { name, words, make } of [
    { name: "images ls", words: ["images", "ls"], make: makeImages },
    { name: "containers ls", words: ["containers", "ls"], make: makeContainers },
    {
      name: "a collection among snapshots, with nothing to take",
      words: ["leases", "rm", "--sync", "growth"],
      make: makeSnapshots,
    },
  ]) {
    const times: number[] = [];
    for (const count of [FEW, MANY]) {
      const namespace = `growth-${name.replaceAll(/\W+/g, "-").slice(0, 20)}-${count}`;
      await fill(arena, "embedded", namespace, (client) => make(client, count));
      const argv = [...arena.command("embedded", "-n", namespace), ...words];
      // A lease that is let go of makes the engine look; the others need none.
      const before = () => quietly(arena.command("embedded", "-n", namespace, "leases", "create", "--id", "growth"));
      times.push(await timeOf(ROUNDS, () => quietly(argv), words[0] === "leases" ? before : undefined));
    }
    const [few = Number.NaN, many = Number.NaN] = times;
    facts.push({ name: `${name}, ${MANY} against ${FEW}`, value: many / few, unit: "times", goal: 12 });
  }
  return facts;
}
