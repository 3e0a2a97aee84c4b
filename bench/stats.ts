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

/** One case: what each contestant took, in milliseconds, run by run. */
export interface Timing {
  readonly name: string;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

export interface Row {
  readonly name: string;
  readonly runs: number;
  readonly oursMs: Spread;
  readonly goMs: Spread;
  /** Ours divided by the Go ctr's, pair by pair: a drift of the machine touches both. */
  readonly ratio: Spread;
}

export function rowOf({ name, ours, theirs }: Timing): Row {
  const ratios = ours.map((value, at) => value / (theirs[at] ?? Number.NaN));
  return { name, runs: ours.length, oursMs: spreadOf(ours), goMs: spreadOf(theirs), ratio: spreadOf(ratios) };
}

export function tableOf(rows: readonly Row[]): string {
  const line = ({ name, oursMs, goMs, ratio }: Row) =>
    `| ${name} | ${oursMs.median.toFixed(1)} | ${goMs.median.toFixed(1)} | ${ratio.median.toFixed(2)} | ${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)} |`;
  return [
    "| case | ours, ms | Go ctr, ms | ratio | spread |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(line),
  ].join("\n");
}
