import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { manPages } from "./docs/man.ts";
import { markdownPages } from "./docs/markdown.ts";
import { readProgram } from "./docs/model.ts";
import { threatModel } from "./docs/threats.ts";

/**
 * Writes `docs/cli` and `docs/man` from the command table, and the table of `docs/threat-model.md` from tests and patches. `docs.ts check` writes nothing and fails where the files differ
 * from what it would write.
 */
const root = resolve(import.meta.dir, "..");

/** What `npm run parity` writes. */
const foreign = "parity.md";

async function main(): Promise<void> {
  const program = await readProgram();
  const folders = { "docs/cli": markdownPages(program), "docs/man": manPages(program) };
  const stale: string[] = [];
  for (const [folder, pages] of Object.entries(folders)) {
    const differing = await differences(resolve(root, folder), pages);
    stale.push(...differing.map((name) => `${folder}/${name}`));
    if (process.argv[2] !== "check") await write(resolve(root, folder), pages, differing);
  }
  const threats = resolve(root, "docs/threat-model.md");
  const page = await threatModel(root);
  if (page !== (await readFile(threats, "utf8"))) {
    stale.push("docs/threat-model.md");
    if (process.argv[2] !== "check") await writeFile(threats, page);
  }
  if (process.argv[2] !== "check" || stale.length === 0) return;
  process.stderr.write(`out of date, run \`npm run docs\`:\n${stale.join("\n")}\n`);
  process.exitCode = 1;
}

type Pages = ReadonlyMap<string, string>;

/** Names of files to write, or to delete. */
async function differences(folder: string, pages: Pages): Promise<readonly string[]> {
  const present = (await readdir(folder).catch(() => [])).filter((name) => name !== foreign);
  const names = new Set([...present, ...pages.keys()]);
  const found = await Promise.all(
    [...names].map(async (name) => {
      const text = await readFile(resolve(folder, name), "utf8").catch(() => undefined);
      return text === pages.get(name) ? [] : [name];
    }),
  );
  return found.flat().sort();
}

async function write(folder: string, pages: Pages, names: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of names) {
    const text = pages.get(name);
    if (text === undefined) await rm(resolve(folder, name));
    else await writeFile(resolve(folder, name), text);
  }
}

await main();
