import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "testing/node-program.ts");

async function bundleFor(target: "node" | "bun", dir: string): Promise<string> {
  const built = await Bun.build({ entrypoints: [PROGRAM], target, outdir: dir });
  const [output] = built.outputs;
  if (!output) throw new Error("the bundle is empty");
  return output.path;
}

test.each([
  ["Node", "node", "node"],
  ["Bun", "bun", process.execPath],
] as const)(
  "the client and the server work together on %s, and leave nothing that keeps the process alive",
  async (_name, target, runtime) => {
    const dir = await mkdtemp(join(tmpdir(), "ctr-rpc-"));
    try {
      const script = await bundleFor(target, dir);
      const child = Bun.spawn([runtime, script, join(dir, "s.sock")], {
        stdout: "pipe",
        stderr: "pipe",
        timeout: 20_000,
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(stderr).toBe("");
      expect(stdout).toEndWith("done\n");
      expect(await child.exited).toBe(0);
    } finally {
      await rm(dir, { recursive: true });
    }
  },
  30_000,
);

test("importing the package on Bun loads no node: module", async () => {
  const script = `
    const seen = [];
    const original = process.getBuiltinModule;
    process.getBuiltinModule = (name) => { seen.push(name); return original(name); };
    await import(${JSON.stringify(join(import.meta.dir, "index.ts"))});
    console.log(JSON.stringify(seen));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  expect(await new Response(child.stdout).text()).toBe("[]\n");
  const built = await Bun.build({ entrypoints: [join(import.meta.dir, "index.ts")], target: "bun" });
  expect(await built.outputs[0]?.text()).not.toMatch(/(?:from|import|require)\s*\(?\s*["'](?:node:|bun:)/);
});
