import { expect, test } from "bun:test";
import { markDirty } from "../metadata/dirty.ts";
import { openTestStore } from "../testing/test-store.ts";
import { scheduleCollection } from "./schedule.ts";

test("scheduleCollection() collects soon after it began, and again once something was let go", async () => {
  using store = openTestStore();
  let runs = 0;
  let next = Promise.withResolvers<void>();
  const sweep = () => {
    runs++;
    next.resolve();
  };
  await using _schedule = await scheduleCollection(store, { backends: [{ sweep }] });
  await next.promise;
  next = Promise.withResolvers();
  store.db.write(markDirty);
  await next.promise;
  expect(runs).toBe(2);
});

test("scheduleCollection() goes on after a run that failed", async () => {
  using store = openTestStore();
  let runs = 0;
  const second = Promise.withResolvers<void>();
  store.db.write(markDirty);
  const sweep = () => {
    if (++runs === 1) throw new Error("on purpose");
    second.resolve();
  };
  await using _schedule = await scheduleCollection(store, { backends: [{ sweep }] });
  await second.promise;
  expect(runs).toBe(2);
});

test("scheduleCollection() has stopped when disposing it is done", async () => {
  using store = openTestStore();
  const schedule = await scheduleCollection(store, { backends: [{ sweep: () => expect.unreachable() }] });
  await schedule[Symbol.asyncDispose]();
  await schedule[Symbol.asyncDispose]();
});
