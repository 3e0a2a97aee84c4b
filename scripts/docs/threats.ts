import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Requirement, requirements } from "./requirements.ts";

const BEGIN = "<!-- written by `npm run docs` -->";
/** A title that begins with one requirement's id, or with several. */
const TITLE = /["'`]((?:[RCSU]\d+)(?:, [RCSU]\d+)*): /g;

/** The page `docs/threat-model.md` with its table as the tests and patches have it. */
export async function threatModel(root: string): Promise<string> {
  const page = await readFile(resolve(root, "docs/threat-model.md"), "utf8");
  const [tests, patches] = await Promise.all([testsById(root), patchesById(root)]);
  const rows = requirements.map((each) => row(each, tests.get(each.id) ?? [], patches.get(each.id) ?? []));
  const table = ["| id | what holds | tests | patches |", "| --- | --- | --- | --- |", ...rows].join("\n");
  const count = (found: ReadonlyMap<string, unknown>) => requirements.filter(({ id }) => found.has(id)).length;
  const sum = `Of ${requirements.length} requirements ${count(tests)} have a test and ${count(patches)} a patch that turns it red.`;
  return `${page.slice(0, page.indexOf(BEGIN))}${BEGIN}\n\n${sum}\n\n${table}\n`;
}

function row({ id, holds, binds }: Requirement, tests: readonly string[], patches: readonly string[]): string {
  const until = binds === undefined ? [] : [`binds when ${binds}; refused until then:`];
  const shown = tests.length === 0 ? ["none yet"] : tests;
  return `| ${id} | ${holds} | ${[...until, ...shown].join("<br>")} | ${patches.join(", ")} |`;
}

async function testsById(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const folder of ["packages", "e2e", "scripts"]) {
    const names = (await readdir(resolve(root, folder), { recursive: true })).filter((name) =>
      name.endsWith(".test.ts"),
    );
    for (const name of names.filter((each) => !each.includes("node_modules")).sort()) {
      const text = await readFile(resolve(root, folder, name), "utf8");
      const ids = [...text.matchAll(TITLE)].flatMap((match) => match[1]?.split(", ") ?? []);
      for (const id of new Set(ids)) found.set(id, [...(found.get(id) ?? []), `${folder}/${name}`]);
    }
  }
  return found;
}

async function patchesById(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = (await readdir(resolve(root, "mutants"))).filter((name) => name.endsWith(".patch")).sort();
  return Map.groupBy(
    names.map((name) => name.replace(/\.patch$/, "")),
    (name) => name.split("-")[0] ?? name,
  );
}
