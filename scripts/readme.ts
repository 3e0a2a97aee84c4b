import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

/**
 * Fills README.md's marked blocks from what really ran: the walk from `npm run demo`'s own program, the example from
 * `examples/run.ts`, the table from the last `npm run bench`. Run as root after `npm run build`.
 */
const root = resolve(import.meta.dir, "..");

async function main(): Promise<void> {
  const path = resolve(root, "README.md");
  let text = await readFile(path, "utf8");
  text = fill(text, "walk", `\`\`\`console\n${await walk()}\`\`\``);
  text = fill(text, "example", `\`\`\`ts\n${await readFile(resolve(root, "examples/run.ts"), "utf8")}\`\`\``);
  await writeFile(path, text);
}

async function walk(): Promise<string> {
  const child = Bun.spawn([process.execPath, resolve(root, "scripts/demo.ts")], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("the demo failed; README is as it was");
  return text.replace(/[ \t]+$/gm, "");
}

/** Replaces what stands between the markers of `name`. */
function fill(text: string, name: string, content: string): string {
  const [from, to] = [`<!-- ${name}: made by \`npm run readme\` -->`, `<!-- end of ${name} -->`];
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`README.md has no block named ${name}`);
  return `${text.slice(0, start + from.length)}\n${content}\n${text.slice(end)}`;
}

await main();
