import type { Outcome } from "../support/process.ts";
import { mask } from "./masks.ts";

/** How much of a step is compared. */
export interface Comparison {
  /**
   * `unordered`: lines may come in any order, because the Go tool prints them in the order of a Go map; `labels`: the
   * labels that end a line may.
   */
  readonly stdout?: "exact" | "unordered" | "labels" | "failed";
}

/** What differs between our outcome and the Go tool's; empty when nothing does. */
export function differences(ours: Outcome, theirs: Outcome, how: Comparison = {}): readonly string[] {
  const found: string[] = [];
  if (ours.code !== theirs.code) found.push(`exit code ${ours.code}, the Go ctr's is ${theirs.code}`);
  const normalise = normalisers[how.stdout ?? "exact"];
  if (normalise(ours.stdout) !== normalise(theirs.stdout))
    found.push(`stdout\n--- ours\n${ours.stdout}\n--- Go ctr\n${theirs.stdout}`);
  const [ourClass, theirClass] = [errorClass(ours), errorClass(theirs)];
  if (ourClass !== theirClass)
    found.push(`error class "${ourClass}", the Go ctr's is "${theirClass}"\n${ours.stderr}\n${theirs.stderr}`);
  return found;
}

const normalisers = {
  exact: mask,
  unordered: (text: string) => mask(text).split("\n").sort().join("\n"),
  /** A failing transfer's progress goes as far as it got; only that it failed the same way counts. */
  failed: () => "",
  /** Labels joined by commas, the whole line or what follows its last tab. */
  labels: (text: string) => mask(text).split("\n").map(sortLabels).join("\n"),
};

function sortLabels(line: string): string {
  const start = line.lastIndexOf("\t") + 1;
  return line.slice(0, start) + line.slice(start).split(",").sort().join(",");
}

const classes = [
  "not found",
  "already exists",
  "invalid argument",
  "failed precondition",
  "unavailable",
  "not implemented",
  "deadline exceeded",
];

/** The class words in which the `ctr: …` line ends; "" for an error without class, undefined for none. */
export function errorClass(outcome: Outcome): string | undefined {
  const line = outcome.stderr.split("\n").find((text) => text.startsWith("ctr: "));
  if (line === undefined) return undefined;
  // 1.6 marks errors of unknown class; 2.4, our target, does not.
  const message = line.replace(/: unknown$/, "");
  return classes.find((words) => message.endsWith(words)) ?? "";
}
