import type { Graph } from "./graph.ts";

/** How a record was reached. */
export interface Mark {
  /** By a flat lease alone: what its labels name is not kept. */
  readonly flat: boolean;
  /** The record that keeps it; undefined for a root. */
  readonly from: string | undefined;
  readonly why: string;
}

/**
 * Marks what can be reached from the roots, each record once, or twice when a flat lease came first. What is left out
 * is garbage. References to what is not there are no fault: they are of labels that clients wrote.
 */
export function markGraph({ nodes, roots }: Graph): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  const waiting: string[] = [];
  const reach = (key: string, mark: Mark) => {
    const before = marks.get(key);
    if (!nodes.has(key) || (before !== undefined && (mark.flat || !before.flat))) return;
    marks.set(key, mark);
    waiting.push(key);
  };
  for (const { key, why, flat } of roots) reach(key, { flat, from: undefined, why });
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    const flat = marks.get(key)?.flat ?? false;
    for (const { to, why } of nodes.get(key)?.own ?? []) reach(to, { flat, from: key, why });
    if (flat) continue;
    for (const { to, why } of nodes.get(key)?.labelled ?? []) reach(to, { flat, from: key, why });
  }
  return marks;
}

/** One step of the chain that keeps a record. */
export interface Step {
  /** Key of a record. */
  readonly key: string;
  /** Why it is a root, or what in the step before names it. */
  readonly why: string;
}

/** What keeps a record, from its root to itself; empty when nothing does. */
export function explainMark(marks: ReadonlyMap<string, Mark>, key: string): readonly Step[] {
  const chain: Step[] = [];
  for (let at: string | undefined = key; at !== undefined; ) {
    const mark = marks.get(at);
    if (mark === undefined) break;
    chain.push({ key: at, why: mark.why });
    at = mark.from;
  }
  return chain.reverse();
}
