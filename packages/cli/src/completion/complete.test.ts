import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Entry, wordsOf } from "../command.ts";
import { loadTable } from "../table.ts";
import { complete } from "./complete.ts";
import { knownCommands, subjectOfArgument } from "./subjects.ts";

/** Candidates without what explains them. */
async function words(line: string, env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const [kind, ...candidates] = (await complete(line.split(" "), env)).trimEnd().split("\n");
  return kind === "words" ? candidates.map((text) => text.split("\t")[0] ?? "") : [kind ?? ""];
}

test.each([
  ["pul", []],
  ["ver", ["version"]],
  ["--addr", ["--address"]],
  ["-", expect.arrayContaining(["--debug", "--namespace", "-n", "--version", "--help"])],
  ["-n x images pu", ["pull", "push"]],
  ["--namespace=x i pu", ["pull", "push"]],
  ["--debug help imag", ["images", "image"]],
  ["images pull --all", ["--all-platforms"]],
  ["images pull --platform linux/amd64 --skip-v", ["--skip-verify"]],
  ["snapshots --sn", ["--snapshotter"]],
  ["snapshots --snapshotter native ls", ["ls"]],
  ["run --rm image id --", []],
  ["run -- --", []],
  ["tasks metrics --format ", ["table", "json"]],
  ["tasks metrics --format=j", ["--format=json"]],
  ["tasks metrics --nothing=j", []],
  ["completion ", ["bash", "zsh", "fish"]],
  ["completion bash ", []],
  ["nothing at all ", []],
  ["images import ", ["files"]],
  ["images unmount ", ["directories"]],
  ["run --env-file ", ["files"]],
  ["run --hosts-dir x --null-io=", []],
])("complete() of %p", async (line, expected) => {
  expect<unknown>(await words(line)).toEqual(expected);
});

test("complete() does not make a store to look for names in", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-complete-"));
  try {
    expect(await words(`--address embedded://${dir}/root images rm `)).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("complete() tells of a command whatever stands in the environment", async () => {
  expect(await words("images pul", { CONTAINERD_ADDRESS: "", CONTAINERD_NAMESPACE: "../" })).toEqual(["pull"]);
});

/** Commands whose arguments nothing can be looked up for: names to be made, filters, references of a registry. */
const unknown = [
  "content active",
  "content fetch",
  "content fetch-blob",
  "content fetch-object",
  "content ingest",
  "content list",
  "containers list",
  "images check",
  "images list",
  "leases create",
  "leases list",
  "namespaces create",
  "namespaces list",
  "plugins inspect-runtime",
  "tasks list",
];

test("every command that takes arguments says what they name", async () => {
  const taking = leaves(await loadTable()).filter(([, usage]) => usage !== "");
  const silent = taking
    .map(([path]) => path)
    .filter((path) => !knownCommands.includes(path) && !unknown.includes(path));
  expect(silent).toEqual([]);
  expect(subjectOfArgument("images tag", 1)).toBeUndefined();
});

function leaves(entries: readonly Entry[], above: readonly string[] = []): readonly (readonly [string, string])[] {
  return entries.flatMap((item): readonly (readonly [string, string])[] => {
    const path = [...above, wordsOf(item).name];
    return item.kind === "group" ? leaves(item.entries, path) : [[path.join(" "), item.declaration.usage]];
  });
}
