import { expect, test } from "bun:test";
import { ourCtr } from "../support/binaries.ts";
import { run } from "../support/process.ts";

/** Words of a help text's commands. */
function commandsIn(help: string): readonly string[] {
  const [, section = ""] = help.split(/^COMMANDS:\n/m);
  const lines = section.split("\n\n")[0]?.split("\n") ?? [];
  return lines.flatMap((line) => /^ {3}([\w-]+)/.exec(line)?.[1] ?? []).filter((name) => name !== "help");
}

async function checkHelp(path: readonly string[]): Promise<number> {
  const { code, stdout, stderr } = await run([ourCtr, ...path, "--help"]);
  expect({ path, code, stderr }).toEqual({ path, code: 0, stderr: "" });
  expect(stdout).toStartWith(`NAME:\n   ${["ctr", ...path].join(" ")} - `);
  expect(stdout).toContain("--help, -h");
  const counts = commandsIn(stdout).map((name) => checkHelp([...path, name]));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 1);
}

test("every command has a help text, on stdout, with exit code 0", async () => {
  expect(await checkHelp([])).toBeGreaterThan(60);
});

test("ctr help images pull shows images, and completion lists names and aliases", async () => {
  const [helped, group] = await Promise.all([
    run([ourCtr, "help", "images", "pull"]),
    run([ourCtr, "images", "--help"]),
  ]);
  expect(helped).toEqual(group);
  const words = (await run([ourCtr, "images", "--generate-bash-completion"])).stdout.split("\n");
  for (const word of ["pull", "push", "ls", "rm"]) expect(words).toContain(word);
});
