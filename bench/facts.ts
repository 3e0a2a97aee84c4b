import { spreadOf } from "./stats.ts";

/** A figure of its own, that no ratio to the Go ctr tells. */
export interface Fact {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it should not exceed. */
  readonly goal?: number;
}

/** A table for people. */
export function tableOfFacts(facts: readonly Fact[]): string {
  const line = ({ name, value, unit, goal }: Fact) => {
    const verdict = goal === undefined ? "" : value <= goal ? `≤ ${goal} ✓` : `> ${goal} ✗`;
    return `| ${name} | ${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ${unit} | ${verdict} |`;
  };
  return ["| figure | value | goal |", "| --- | --- | --- |", ...facts.map(line)].join("\n");
}

/** Milliseconds that `work` takes, the median of `rounds` after one that does not count; `before` each is not timed. */
export async function timeOf(
  rounds: number,
  work: () => Promise<unknown>,
  before?: () => Promise<unknown>,
): Promise<number> {
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    await before?.();
    const begun = process.hrtime.bigint();
    await work();
    if (round >= 0) times.push(Number(process.hrtime.bigint() - begun) / 1e6);
  }
  return spreadOf(times).median;
}
