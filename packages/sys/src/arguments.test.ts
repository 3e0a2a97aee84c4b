import { expect, test } from "bun:test";

const program = `
  import { hideArgument } from "${import.meta.dir}/arguments.ts";
  hideArgument("pw" + 1);
  console.log(require("node:fs").readFileSync("/proc/self/cmdline", "latin1").replaceAll("\\0", " "));
  console.log(process.argv.slice(-2).join(" "));
`;

test.each([
  ["once", ["me:pw1", "x"], "me:*** x"],
  ["twice", ["me:pw1", "--user=me:pw1"], "me:*** --user=me:***"],
  ["with more behind it", ["me:pw1", "pw1x"], "me:*** pw1x"],
])("hideArgument() masks a secret that stands there %s, and the program still knows it", async (_how, words, shown) => {
  const argv = [process.execPath, "-e", program, "--", ...words];
  const child = Bun.spawn(argv, { stdout: "pipe", stderr: "pipe" });
  const text = await new Response(child.stdout).text();
  const [kernel = "", own = ""] = text.trimEnd().split("\n").slice(-2);
  expect(kernel).toEndWith(`${shown} `);
  expect(own).toEndWith(words.join(" "));
});
