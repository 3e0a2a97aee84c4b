import { type Outcome, type RunOptions } from "../support/process.ts";
import { type Comparison } from "./compare.ts";
/** Namespaces of equal length, so that column widths agree. */
export declare const ourNamespace = "diff-ours";
export declare const goNamespace = "diff-base";
/** One command, run by both tools, each in its own namespace of the same daemon. */
export interface Step extends Comparison, Pick<RunOptions, "stdin" | "env"> {
  readonly argv: readonly string[];
}
export declare class Pair {
  readonly address: string;
  constructor(address: string);
  /** Runs a step with both tools and fails the test at the first difference. */
  step(step: Step): Promise<{
    readonly ours: Outcome;
    readonly theirs: Outcome;
  }>;
  /** Runs every step, also after one that differs, and fails with all the differences. */
  steps(steps: readonly (Step | readonly string[])[]): Promise<void>;
  ours(argv: readonly string[], options?: RunOptions): Promise<Outcome>;
  go(argv: readonly string[], namespace: string, options?: RunOptions): Promise<Outcome>;
  /** Prepares both namespaces with the Go tool, which must succeed. */
  prepare(...commands: readonly (readonly string[])[]): Promise<void>;
  /** What the daemon now holds in both namespaces, as the Go tool tells it, must be the same. */
  sameState(...views: readonly (readonly string[])[]): Promise<void>;
  /** A view as JSON from both namespaces, for comparing after deliberate differences are taken out. */
  json(view: readonly string[]): Promise<{
    readonly ours: unknown;
    readonly theirs: unknown;
  }>;
}
/** Views that show all that the commands of this issue can change. */
export declare const records: {
  readonly images: readonly ["images", "ls"];
  readonly content: readonly ["content", "ls"];
  readonly snapshots: readonly ["snapshots", "ls"];
  readonly leases: readonly ["leases", "ls"];
  readonly containers: readonly ["containers", "ls"];
  readonly namespaces: readonly ["namespaces", "ls"];
};
