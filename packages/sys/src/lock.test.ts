import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLock, tryLock } from "./lock.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-lock-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("tryLock() is refused while somebody holds the lock, and disposing lets go", () => {
  const path = join(dir, "lock");
  {
    using held = tryLock(path);
    expect(held?.path).toBe(path);
    expect(tryLock(path)).toBeUndefined();
    expect(tryLock(path, { shared: true })).toBeUndefined();
  }
  using again = tryLock(path);
  expect(again).toBeDefined();
});

test("shared locks are held together, and keep an exclusive one out", () => {
  const path = join(dir, "lock");
  using one = tryLock(path, { shared: true });
  using two = tryLock(path, { shared: true });
  expect([one, two]).not.toContain(undefined);
  expect(tryLock(path)).toBeUndefined();
});

test("openLock() waits for its turn while this thread lets go, and gives up when cancelled", async () => {
  const path = join(dir, "lock");
  const held = tryLock(path);
  const { signal } = new AbortController();
  const waiting = openLock(path, { signal });
  held?.[Symbol.dispose]();
  using lock = await waiting;
  expect(lock.path).toBe(path);
  const cancel = new AbortController();
  const refused = openLock(path, { signal: cancel.signal });
  cancel.abort(new Error("enough"));
  await expect(refused).rejects.toThrow("enough");
});

test("a child process does not keep the lock", async () => {
  const path = join(dir, "lock");
  const held = tryLock(path);
  const child = Bun.spawn(["sh", "-c", "echo; exec sleep 60"], { stdout: "pipe" });
  // Once it says something it is a program of its own; until then it may still be a copy of this one, files and all.
  await child.stdout.getReader().read();
  held?.[Symbol.dispose]();
  using again = tryLock(path);
  expect(again).toBeDefined();
  child.kill();
});
