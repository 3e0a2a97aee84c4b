import { expect, test } from "bun:test";
import { lazyFacade } from "./lazy-facade.ts";

class Shelf {
  readonly #books = ["a", "b"];
  readonly name = "shelf";

  async count(): Promise<number> {
    return this.#books.length;
  }

  async *walk(from: number): AsyncIterable<string> {
    yield* this.#books.slice(from);
  }
}

function openLazily() {
  let loads = 0;
  const load = async () => {
    loads++;
    return new Shelf();
  };
  return { shelf: lazyFacade(load, { walk: true }, { name: "shelf" }), loads: () => loads };
}

test("lazyFacade() loads at the first call, and once", async () => {
  const { shelf, loads } = openLazily();
  // Awaiting the facade itself must not look like a call.
  expect((await shelf).name).toBe("shelf");
  expect(loads()).toBe(0);
  expect(await Promise.all([shelf.count(), shelf.count()])).toEqual([2, 2]);
  expect(loads()).toBe(1);
});

test("lazyFacade() streams through the methods that answer async iterables", async () => {
  const { shelf } = openLazily();
  const seen: string[] = [];
  for await (const book of shelf.walk(1)) seen.push(book);
  expect(seen).toEqual(["b"]);
});

test("lazyFacade() hands on why the code could not be loaded", async () => {
  const broken = lazyFacade<Shelf>(() => Promise.reject(new Error("no such module")), { walk: true });
  await expect(broken.count()).rejects.toThrow("no such module");
});
