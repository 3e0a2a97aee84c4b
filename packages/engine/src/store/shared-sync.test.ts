import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { shareWork, syncPath } from "./shared-sync.ts";

test("shareWork() begins for the first, and once more for all who come meanwhile", async () => {
  const begun: string[] = [];
  const share = shareWork(async (path) => {
    begun.push(path);
  });
  await Promise.all(["a", "a", "a", "b", "a"].map(share));
  expect(begun).toEqual(["a", "b", "a"]);
  await share("a");
  expect(begun).toEqual(["a", "b", "a", "a"]);
});

test("shareWork() tells a failure to those alone whose work it was", async () => {
  let count = 0;
  const share = shareWork(async () => {
    if (++count === 1) throw new Error("the first");
  });
  const results = await Promise.allSettled([share("a"), share("a"), share("a")]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  expect(count).toBe(2);
});

test("syncPath() fails where there is nothing", async () => {
  await syncPath(tmpdir());
  await expect(syncPath("/nowhere/at/all")).rejects.toThrow("ENOENT");
});
