import { type Node, parsePattern } from "./pattern-parser.ts";

/** Instructions a pattern may come to; repetitions of repetitions grow fast. */
const MAX_STEPS = 20_000;

/**
 * One instruction. Where a thread goes from `split` it goes both ways; a `char` consumes, an `assert` looks on.
 */
type Step =
  | { readonly kind: "char"; readonly test: (char: string) => boolean; next: number }
  | { readonly kind: "assert"; readonly test: (before: string, after: string) => boolean; next: number }
  | { readonly kind: "split"; next: number; other: number }
  | { readonly kind: "match" };

/**
 * Whether a text has a part that `pattern` (RE2, as Go writes it) matches; undefined when the pattern cannot be
 * compiled. A pattern comes from whoever calls, so it runs in time linear in the text: all ways through it are
 * followed at once, and none is tried twice. JavaScript's own expressions would backtrack.
 */
export function compilePattern(pattern: string): ((text: string) => boolean) | undefined {
  const node = parsePattern(pattern);
  if (node === undefined) return undefined;
  const steps: Step[] = [];
  if (!emit(node, steps)) return undefined;
  steps.push({ kind: "match" });
  return (text) => run(steps, text);
}

/** Appends the steps of `node`; they end by running into what is appended next. False when there are too many. */
function emit(node: Node, steps: Step[]): boolean {
  if (steps.length > MAX_STEPS) return false;
  const at = steps.length;
  switch (node.kind) {
    case "char":
      steps.push({ kind: "char", test: node.test, next: at + 1 });
      return true;
    case "assert":
      steps.push({ kind: "assert", test: node.test, next: at + 1 });
      return true;
    case "sequence":
      return node.nodes.every((part) => emit(part, steps));
    case "either":
      return emitEither(node.nodes, steps);
    case "repeat":
      return emitRepeat(node, steps);
    default:
      return node satisfies never;
  }
}

function emitEither(nodes: readonly Node[], steps: Step[]): boolean {
  const [first, ...rest] = nodes;
  if (first === undefined) return true;
  if (rest.length === 0) return emit(first, steps);
  const split: Step = { kind: "split", next: steps.length + 1, other: 0 };
  steps.push(split);
  if (!emit(first, steps)) return false;
  const jump: Step = { kind: "split", next: 0, other: 0 };
  steps.push(jump);
  split.other = steps.length;
  if (!emitEither(rest, steps)) return false;
  jump.next = steps.length;
  jump.other = steps.length;
  return true;
}

function emitRepeat(node: Extract<Node, { readonly kind: "repeat" }>, steps: Step[]): boolean {
  for (let count = 0; count < node.min; count++) if (!emit(node.node, steps)) return false;
  if (node.max === undefined) {
    const loop: Step = { kind: "split", next: steps.length + 1, other: 0 };
    const start = steps.length;
    steps.push(loop);
    if (!emit(node.node, steps)) return false;
    steps.push({ kind: "split", next: start, other: start });
    loop.other = steps.length;
    return true;
  }
  const skips: Extract<Step, { readonly kind: "split" }>[] = [];
  for (let count = node.min; count < node.max; count++) {
    const skip: Step = { kind: "split", next: steps.length + 1, other: 0 };
    skips.push(skip);
    steps.push(skip);
    if (!emit(node.node, steps)) return false;
  }
  for (const skip of skips) skip.other = steps.length;
  return true;
}

/** Follows every thread through `text`, a new one starting before each character: the match need not begin the text. */
function run(steps: readonly Step[], text: string): boolean {
  const chars = Array.from(text);
  let threads: number[] = [];
  for (let at = 0; at <= chars.length; at++) {
    const before = chars[at - 1] ?? "";
    const char = chars[at] ?? "";
    const here = follow(steps, [...threads, 0], before, char);
    if (here === undefined) return true;
    threads = [];
    for (const index of here) {
      const step = steps[index];
      if (step?.kind === "char" && char !== "" && step.test(char)) threads.push(step.next);
    }
  }
  return false;
}

/** The consuming steps that can be reached from `starts` between two characters; undefined when the match can. */
function follow(
  steps: readonly Step[],
  starts: readonly number[],
  before: string,
  after: string,
): readonly number[] | undefined {
  const seen = new Set<number>();
  const waiting = [...starts];
  const consuming: number[] = [];
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    const step = steps[index];
    if (step === undefined || step.kind === "match") return undefined;
    if (step.kind === "char") consuming.push(index);
    else if (step.kind === "split") waiting.push(step.next, step.other);
    else if (step.test(before, after)) waiting.push(step.next);
  }
  return consuming;
}
