import { expect, test } from "bun:test";
import { randomId } from "./random-id.ts";

test("randomId() is always an identifier containerd takes", () => {
  for (let i = 0; i < 2000; i++) expect(`exec-${randomId()}`).toMatch(/^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/);
});
