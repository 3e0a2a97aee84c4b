import { expect, test } from "bun:test";
import { processIdentity, processState } from "./process-identity.ts";

test("processState() knows this process by its identity", () => {
  expect(processState(processIdentity())).toBe("alive");
});

test("processState() calls a process gone that has ended, also before it is waited for", async () => {
  const source = `import { processIdentity } from ${JSON.stringify(import.meta.resolve("./process-identity.ts"))};
    console.log(processIdentity());`;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
  const identity = (await new Response(child.stdout).text()).trim();
  await child.exited;
  expect(identity).toStartWith(`${child.pid} `);
  expect(processState(identity)).toBe("gone");
});

test.each([
  ["another process of the same number", 1, "1", "gone"],
  ["an earlier boot", 2, "00000000-0000-0000-0000-000000000000", "gone"],
  ["another pid namespace", 3, "pid:[1]", "elsewhere"],
  ["text that is no identity", 0, "x", "gone"],
])("processState() tells of %s", (_what, field, value, state) => {
  const parts = processIdentity().split(" ");
  parts[field] = value;
  expect(processState(parts.join(" "))).toBe(state as never);
});
