import type { Contestant } from "./arena.ts";
import type { Case, Times } from "./case.ts";

/** Middle, and the spread between the fastest and the slowest run. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
  return { median, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 };
}

/** A contestant's milliseconds, and the ratio to the Go ctr's run of the same round. */
export interface Entry {
  readonly ms: Spread;
  readonly ratio: Spread;
  readonly goal: number | undefined;
}

export interface Row {
  readonly name: string;
  readonly rounds: number;
  readonly goMs: Spread;
  readonly entries: Readonly<Partial<Record<Contestant, Entry>>>;
}

/** Ratios are taken round by round: a drift of the machine touches both. */
export function rowOf({ name, goals }: Pick<Case, "name" | "goals">, times: Times): Row {
  const go = times.go ?? [];
  const entryOf = (who: Contestant): Entry | undefined => {
    const own = times[who];
    if (own === undefined) return undefined;
    const ratios = own.map((value, at) => value / (go[at] ?? Number.NaN));
    return { ms: spreadOf(own), ratio: spreadOf(ratios), goal: goals[who] };
  };
  const entries = Object.fromEntries(
    (["embedded", "ours"] as const).flatMap((who) => {
      const entry = entryOf(who);
      return entry === undefined ? [] : [[who, entry]];
    }),
  );
  return { name, rounds: go.length, goMs: spreadOf(go), entries };
}

/** A table for people: ratios with their spread, and whether the goal is met. */
export function tableOf(rows: readonly Row[]): string {
  const cell = (entry: Entry | undefined) => {
    if (entry === undefined) return "–";
    const { ms, ratio, goal } = entry;
    const verdict = goal === undefined ? "" : ratio.median <= goal ? ` ≤ ${goal} ✓` : ` > ${goal} ✗`;
    const range = `${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)}`;
    return `${ratio.median.toFixed(2)} (${range}), ${ms.median.toFixed(1)} ms${verdict}`;
  };
  const line = ({ name, goMs, entries, rounds }: Row) =>
    `| ${name} | ${rounds} | ${goMs.median.toFixed(1)} ms | ${cell(entries.embedded)} | ${cell(entries.ours)} |`;
  return [
    "| case | rounds | Go ctr, containerd | our engine: ratio | our CLI on containerd: ratio |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(line),
  ].join("\n");
}
