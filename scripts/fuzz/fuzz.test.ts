import { describe, expect, test } from "bun:test";
import { fuzz } from "./fuzz.ts";
import { targets } from "./targets.ts";

/** The same inputs each time; `npm run fuzz` goes on from other seeds for as long as it is told. */
const budget = { seed: 20_000_101, executions: 3000 };

describe.each(targets.map((target) => [target.name, target] as const))("%s", (_name, target) => {
  test(`takes or refuses ${budget.executions} spoiled inputs, and breaks on none`, async () => {
    const { executions, outcomes, findings } = await fuzz(target, budget);
    const told = findings.map(({ input, error }) => ({ input: Buffer.from(input).toString("latin1"), error }));
    expect(told).toEqual([]);
    expect(executions).toBe(budget.executions);
    // A target that sees no difference between its inputs is not wired up.
    expect(outcomes).toBeGreaterThan(1);
  });
});

test("a parser that breaks is found, with the input that broke it", async () => {
  const broken = {
    name: "broken",
    seeds: [Buffer.from("aaaa")],
    run(input: Uint8Array) {
      if (input.includes(0x22)) throw new TypeError("quote");
      return input.byteLength;
    },
  };
  const { findings } = await fuzz(broken, budget);
  expect(findings.length).toBeGreaterThan(0);
  for (const { input } of findings) expect(Buffer.from(input).toString("latin1")).toContain('"');
});
