import { expect, test } from "bun:test";
import { RequestQueue } from "./request-queue.ts";

test("a RequestQueue yields in order what was pushed before, meanwhile and up to its end, and nothing after", async () => {
  const queue = new RequestQueue<number>();
  queue.push(1);
  const reader = queue[Symbol.asyncIterator]();
  expect(await reader.next()).toEqual({ done: false, value: 1 });
  const waiting = reader.next();
  queue.push(2);
  queue.push(3);
  expect(await waiting).toEqual({ done: false, value: 2 });
  queue.end();
  queue.push(4);
  expect(await reader.next()).toEqual({ done: false, value: 3 });
  expect((await reader.next()).done).toBe(true);
});

test("end() wakes a reader that waits", async () => {
  const queue = new RequestQueue<number>();
  const next = queue[Symbol.asyncIterator]().next();
  queue.end();
  expect(await next).toEqual({ done: true, value: undefined });
});
