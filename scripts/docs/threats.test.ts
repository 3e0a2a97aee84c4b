import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { threatModel } from "./threats.ts";

test("threatModel() finds a test and a patch for every requirement", async () => {
  const page = await threatModel(resolve(import.meta.dir, "../.."));
  const rows = page.split("\n").filter((line) => /^\| [RCSU]\d+ \|/.test(line));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((line) => line.includes("| none yet") || line.endsWith("|  |"))).toEqual([]);
});
