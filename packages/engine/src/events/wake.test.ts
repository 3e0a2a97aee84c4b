import { expect, test } from "bun:test";
import { closeSync, futimesSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openTestStore } from "../testing/test-store.ts";
import { notifyFollowers, openDoorbell } from "./wake.ts";

const { signal } = new AbortController();
/** Less than the look that comes without a call. */
const PROMPT_MS = 600;

function touch(path: string): void {
  const fd = openSync(path, "a");
  futimesSync(fd, new Date(), new Date());
  closeSync(fd);
}

async function elapsed(work: Promise<void>): Promise<number> {
  const begun = performance.now();
  await work;
  return performance.now() - begun;
}

test("a doorbell hears of touches by others, also of one that follows another at once", async () => {
  using store = openTestStore();
  const path = join(store.root, "tick");
  writeFileSync(path, "");
  using doorbell = openDoorbell(store.db, path, signal);
  touch(path);
  await doorbell.wait();
  // The runtime does not tell of this one.
  touch(path);
  expect(await elapsed(doorbell.wait())).toBeLessThan(PROMPT_MS);
});

test("a doorbell that rang before anyone waited has not rung for nothing", async () => {
  using store = openTestStore();
  const path = join(store.root, "tick");
  writeFileSync(path, "");
  using doorbell = openDoorbell(store.db, path, signal);
  notifyFollowers(store.db);
  expect(await elapsed(doorbell.wait())).toBeLessThan(PROMPT_MS);
});

test("a doorbell rings without a watch, now and then, and when its signal fires", async () => {
  using store = openTestStore();
  const end = new AbortController();
  using doorbell = openDoorbell(store.db, join(store.root, "not there"), end.signal);
  await doorbell.wait();
  end.abort();
  await doorbell.wait();
  await doorbell.wait();
});
