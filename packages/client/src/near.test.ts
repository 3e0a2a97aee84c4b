import { expect, test } from "bun:test";
import { lazyFacade } from "./lazy-facade.ts";
import type { NearMethods } from "./near.ts";

class Shelf {
  async books(from = 0): Promise<readonly string[]> {
    return ["far a", "far b"].slice(from);
  }

  async *pages(): AsyncIterable<string> {
    yield "far";
  }
}

function openShelf(near: NearMethods<Shelf>) {
  let loads = 0;
  const load = async () => {
    loads++;
    return new Shelf();
  };
  return { shelf: lazyFacade(load, { pages: true }, {}, near), loads: () => loads };
}

test("a facade answers from near, and is not loaded", async () => {
  const { shelf, loads } = openShelf({ books: (from) => ["near", `${from}`], pages: () => ["one", "two"] });
  expect(await shelf.books(7)).toEqual(["near", "7"]);
  expect(await Array.fromAsync(shelf.pages())).toEqual(["one", "two"]);
  expect(loads()).toBe(0);
});

test.each<[string, NearMethods<Shelf>]>([
  ["knows no such method", {}],
  ["leaves the call alone", { books: () => undefined, pages: () => undefined }],
  [
    "fails",
    {
      books() {
        throw new Error("near");
      },
      pages() {
        throw new Error("near");
      },
    },
  ],
])("a facade is called when what is near %s", async (_when, near) => {
  const { shelf, loads } = openShelf(near);
  expect(await shelf.books(1)).toEqual(["far b"]);
  expect(await Array.fromAsync(shelf.pages())).toEqual(["far"]);
  expect(loads()).toBe(1);
});
