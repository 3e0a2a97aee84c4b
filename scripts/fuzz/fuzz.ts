import { ContainerdError } from "@ctr/api";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";

/** A parser of outside bytes. */
export interface Target {
  readonly name: string;
  /** Inputs that get far. */
  readonly seeds: readonly Uint8Array[];
  /** Takes the bytes, and may refuse them. What it returns stands for how far it got; a broken promise of its own it throws. */
  run(bytes: Uint8Array): unknown;
  /** Errors that are a refusal, besides `ContainerdError`. */
  readonly refusals?: readonly (abstract new (
    ...args: never[]
  ) => Error)[];
}

export interface FuzzResult {
  readonly executions: number;
  readonly refused: number;
  /** Ways in which inputs were taken or refused that differ: what stands in for coverage, and steers. */
  readonly outcomes: number;
  readonly findings: readonly Finding[];
}

export interface Finding {
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface FuzzBudget {
  readonly seed: number;
  readonly executions?: number;
  /** Milliseconds of the clock. */
  readonly timeMs?: number;
}

/** Inputs kept to go on from. */
const MAX_CORPUS = 2000;
const MAX_FINDINGS = 10;

/** Feeds a target mutants of its seeds, and of whatever had an outcome that none had before. */
export async function fuzz(target: Target, budget: FuzzBudget): Promise<FuzzResult> {
  const random = new Random(budget.seed);
  const corpus = [...target.seeds];
  const outcomes = new Set<string>();
  const findings: Finding[] = [];
  const until = performance.now() + (budget.timeMs ?? Number.POSITIVE_INFINITY);
  let [executions, refused] = [0, 0];
  const most = budget.executions ?? Number.POSITIVE_INFINITY;
  while (executions < most && performance.now() < until && findings.length < MAX_FINDINGS) {
    const parent = corpus[random.below(corpus.length)] ?? new Uint8Array();
    const other = corpus[random.below(corpus.length)] ?? parent;
    const input = executions < target.seeds.length ? parent : mutate(parent, other, random);
    const outcome = await execute(target, input);
    executions++;
    if (outcome.kind === "refused") refused++;
    if (outcome.kind === "broken") findings.push({ input, error: outcome.error });
    if (outcomes.has(outcome.shape)) continue;
    outcomes.add(outcome.shape);
    if (corpus.length < MAX_CORPUS) corpus.push(input);
  }
  return { executions, refused, outcomes: outcomes.size, findings };
}

type Execution =
  | { readonly kind: "taken" | "refused"; readonly shape: string }
  | { readonly kind: "broken"; readonly shape: string; readonly error: unknown };

async function execute(target: Target, input: Uint8Array): Promise<Execution> {
  try {
    return { kind: "taken", shape: `taken ${shapeOf(await target.run(input))}` };
  } catch (error) {
    const refusals = [ContainerdError, ...(target.refusals ?? [])];
    if (error instanceof Error && refusals.some((refusal) => error instanceof refusal)) {
      return { kind: "refused", shape: `refused ${wordsOf(error.message)}` };
    }
    return { kind: "broken", shape: `broken ${String(error)}`, error };
  }
}

/** A message without what it quotes of the input. */
function wordsOf(message: string): string {
  return message
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\d+/g, "0")
    .slice(0, 80);
}

/** Which members there are, not what they are. */
function shapeOf(value: unknown, depth = 0): string {
  if (typeof value === "number" || typeof value === "bigint") return `${Math.floor(Math.log2(Number(value) + 1))}`;
  if (typeof value === "string") return value === "" ? "''" : "s";
  if (typeof value !== "object" || value === null || depth > 3) return typeof value;
  const members = Object.entries(value).map(
    ([key, member]) => `${Array.isArray(value) ? "" : key}${shapeOf(member, depth + 1)}`,
  );
  return `{${[...new Set(members)].slice(0, 20)}}`;
}
