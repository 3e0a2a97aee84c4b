import { expect, test } from "bun:test";
import { Turns } from "./turns.ts";

test("as many turns as there are begin at once, then the lowest rank is next, however late it came", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const take = async (rank: number) => {
    const turn = await turns.take(rank);
    begun.push(rank);
    return turn;
  };
  const [first, second] = [await take(7), await take(8)];
  const waiting = [take(5), take(9), take(3)];
  await Promise.resolve();
  expect(begun).toEqual([7, 8]);
  for (const turn of [first, second]) turn[Symbol.dispose]();
  await Promise.all([waiting[0], waiting[2]]);
  expect(begun).toEqual([7, 8, 3, 5]);
  (await waiting[0])?.[Symbol.dispose]();
  await waiting[1];
  expect(begun).toEqual([7, 8, 3, 5, 9]);
});

test("a turn that nobody waited for is free again", async () => {
  const turns = new Turns(1);
  (await turns.take(1))[Symbol.dispose]();
  using _turn = await turns.take(2);
});
