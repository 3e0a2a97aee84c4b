import type { Outcome } from "../support/process.ts";
/** How much of a step is compared. */
export interface Comparison {
  /** `unordered`: lines may come in any order, because the Go tool prints them in the order of a Go map. */
  readonly stdout?: "exact" | "unordered" | "labels" | "failed";
}
/** What differs between our outcome and the Go tool's; empty when nothing does. */
export declare function differences(ours: Outcome, theirs: Outcome, how?: Comparison): readonly string[];
/** The class words in which the `ctr: …` line ends; "" for an error without class, undefined for none. */
export declare function errorClass(outcome: Outcome): string | undefined;
