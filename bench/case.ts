import { type Arena, type Contestant, contestants } from "./arena.ts";

/** One thing to time, the same for every contestant. */
export interface Case {
  readonly name: string;
  /** What the ratio to the Go ctr should not exceed. */
  readonly goals: Partial<Readonly<Record<Contestant, number>>>;
  readonly rounds: number;
  /** Without it everybody takes part. */
  readonly who?: readonly Contestant[];
  /** Once, before the first round. */
  setUp?(arena: Arena): Promise<void>;
  /** Before each run; not timed. */
  before?(arena: Arena, who: Contestant): Promise<void>;
  /** What is timed. */
  run(arena: Arena, who: Contestant): Promise<void>;
  /** After each run; not timed. Has to leave nothing that would make the next run shorter. */
  after?(arena: Arena, who: Contestant): Promise<void>;
  /** Once, after the last round. */
  tearDown?(arena: Arena): Promise<void>;
}

/** Milliseconds of a case, by contestant, round by round. */
export type Times = Readonly<Partial<Record<Contestant, readonly number[]>>>;

/** Runs a case in interleaved rounds, whose order turns, after one that only warms up. */
export async function timeCase(arena: Arena, one: Case): Promise<Times> {
  const who = one.who ?? contestants;
  const times: Partial<Record<Contestant, number[]>> = {};
  await one.setUp?.(arena);
  for (let round = -1; round < one.rounds; round++) {
    for (let turn = 0; turn < who.length; turn++) {
      const each = who[(turn + round + 1) % who.length];
      if (each === undefined) continue;
      await one.before?.(arena, each);
      const begun = process.hrtime.bigint();
      await one.run(arena, each);
      const taken = Number(process.hrtime.bigint() - begun) / 1e6;
      await one.after?.(arena, each);
      if (round < 0) continue;
      times[each] ??= [];
      times[each].push(taken);
    }
  }
  await one.tearDown?.(arena);
  return times;
}

/** Runs a command to its end, its output thrown away; fails unless it succeeds. */
export async function quietly(argv: readonly string[], stdin: string | "ignore" = "ignore"): Promise<void> {
  const child = Bun.spawn([...argv], {
    stdin: stdin === "ignore" ? "ignore" : Bun.file(stdin),
    stdout: "ignore",
    stderr: "pipe",
  });
  const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}\n${said}`);
}
