import { expect, test } from "bun:test";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import type { FileGrowth } from "../diff/growing-file.ts";
import { temporaryDirectory } from "../testing/test-layers.ts";
import { GrowingBlob } from "./growing-blob.ts";

const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar" };

/** All that a reader is told from now on. */
async function newsOf(blob: GrowingBlob): Promise<readonly FileGrowth[]> {
  const news: FileGrowth[] = [];
  for await (const one of blob.fileOf(layer).growth?.news ?? []) news.push(one);
  return news;
}

function openBlob(dir: string, bytes: number): GrowingBlob {
  writeFileSync(`${dir}/data`, "x".repeat(bytes));
  return new GrowingBlob(`${dir}/data`, bytes);
}

test("a growing blob tells every reader how far it has come, and when it is whole", async () => {
  using temporary = temporaryDirectory();
  using blob = openBlob(temporary.dir, 10);
  const readers = [newsOf(blob), newsOf(blob)];
  blob.grow(1_000_000);
  blob.grow(5);
  blob.complete();
  for (const news of await Promise.all(readers)) expect(news.at(-1)).toEqual({ bytes: 1_000_015, complete: true });
  // One who comes late is told at once.
  expect(await newsOf(blob)).toEqual([{ bytes: 1_000_015, complete: true }]);
});

test("a growing blob that fails tells why, unless all was told", async () => {
  using temporary = temporaryDirectory();
  using failing = openBlob(temporary.dir, 1);
  const news = newsOf(failing);
  failing.fail(new Error("cut off"));
  await expect(news).rejects.toThrow("cut off");
  expect(failing.failed).toBe(true);
  using whole = openBlob(temporary.dir, 1);
  whole.complete();
  whole.fail(new Error("too late"));
  expect(whole.failed).toBe(false);
  expect(await newsOf(whole)).toEqual([{ bytes: 1, complete: true }]);
});

test("a growing blob is read by the file's descriptor, whatever becomes of its name", async () => {
  using temporary = temporaryDirectory();
  using blob = openBlob(temporary.dir, 3);
  appendFileSync(`${temporary.dir}/data`, "yz");
  rmSync(`${temporary.dir}/data`);
  expect(await Bun.file(blob.fileOf(layer).path).text()).toBe("xxxyz");
});
