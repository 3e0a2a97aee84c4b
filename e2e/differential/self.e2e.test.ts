import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "../support/process.ts";
import { differences } from "./compare.ts";
import { specDifferences } from "./deliberate.ts";
import type { Step } from "./harness.ts";
import { masks } from "./masks.ts";
import { sharedArena } from "./setup.ts";

/** The suite compares itself: were a wrong byte to slip through, these would fail. */
const arena = sharedArena();
beforeAll(arena.open);
afterAll(arena.close);

test.each<[Step]>([
  [{ argv: ["images", "ls"] }],
  [{ argv: ["snapshots", "tree"] }],
  [{ argv: ["content", "ls"], stdout: "labels" }],
  [{ argv: ["ns", "ls"] }],
])("one flipped byte of %j is found, wherever no mask lies", async (step) => {
  const { ours, theirs } = await arena.now.pair.step(step);
  const masked = maskedBytes(ours.stdout);
  let seen = 0;
  for (let at = 0; at < ours.stdout.length; at++) {
    if (masked.has(at)) continue;
    seen++;
    const found = differences(flip(ours, at), theirs, step).length;
    if (found !== 1) throw new Error(`byte ${at} of ${JSON.stringify(ours.stdout.slice(at - 40, at + 40))}: ${found}`);
  }
  expect(seen).toBeGreaterThan(ours.stdout.length / 2);
});

test("a wrong exit code and a wrong error class are found", async () => {
  const { ours, theirs } = await arena.now.pair.step({ argv: ["images", "label", "nosuch", "a=b"] });
  expect(differences({ ...ours, code: 2 }, theirs)).toHaveLength(1);
  expect(differences({ ...ours, stderr: "ctr: something else\n" }, theirs)).toHaveLength(1);
});

test("masks replace tokens, never lines, and each says why", () => {
  for (const { token, reason } of masks) {
    expect(token.flags).toContain("g");
    expect("\n").not.toMatch(token);
    expect(reason.length).toBeGreaterThan(10);
  }
});

test("each deliberate difference is a row of docs/differences.md", async () => {
  const page = await readFile(join(import.meta.dir, "../../docs/differences.md"), "utf8");
  for (const { id } of specDifferences) expect(page).toContain(`| ${id} |`);
});

/** Indexes that a mask covers, or stands close enough to that a flip there makes or breaks a token. */
function maskedBytes(text: string): ReadonlySet<number> {
  const covered = new Set<number>();
  for (const { token } of masks) {
    for (const { index, 0: match } of text.matchAll(token)) {
      for (let at = index; at < index + match.length; at++) covered.add(at);
    }
  }
  return covered;
}

function flip(outcome: Outcome, at: number): Outcome {
  const code = outcome.stdout.charCodeAt(at) ^ 1;
  return { ...outcome, stdout: outcome.stdout.slice(0, at) + String.fromCharCode(code) + outcome.stdout.slice(at + 1) };
}
