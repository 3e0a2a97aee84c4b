import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo, openFifoReader, openFifoWriter } from "./fifo.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-fifo-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function countOf(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.byteLength;
  return bytes;
}

function fifo(name: string): string {
  makeFifo(join(dir, name), 0o700);
  return join(dir, name);
}

test("makeFifo() gives the mode asked for, whatever the umask, and refuses a path that is taken", () => {
  const before = process.umask(0o077);
  try {
    const path = join(dir, "mode");
    makeFifo(path, 0o755);
    expect(statSync(path).isFIFO()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o755);
    expect(() => makeFifo(path, 0o700)).toThrow(/file exists/);
  } finally {
    process.umask(before);
  }
});

test("80 readers whose writers come late starve nobody and lose nothing", async () => {
  const paths = Array.from({ length: 80 }, (_none, index) => fifo(String(index)));
  const readers = paths.map(openFifoReader);
  const counts = readers.map((reader) => countOf(reader.chunks));
  expect((await readFile("/etc/passwd")).byteLength).toBeGreaterThan(0);
  const script = `for f in ${paths.join(" ")}; do (head -c 200000 /dev/zero > $f) & done; wait`;
  await Bun.spawn(["sh", "-c", script]).exited;
  for (const reader of readers) reader.release();
  expect(await Promise.all(counts)).toEqual(paths.map(() => 200_000));
});

test("a reader sees no end before release(), however often writers come and go", async () => {
  const path = fifo("f");
  const reader = openFifoReader(path);
  const counted = countOf(reader.chunks);
  for (let round = 0; round < 3; round++) await Bun.spawn(["sh", "-c", `printf abc > ${path}`]).exited;
  reader.release();
  expect(await counted).toBe(9);
});

test("a reader that never read leaves what waits in the FIFO to the next one", async () => {
  const path = fifo("f");
  const first = openFifoReader(path);
  const second = openFifoReader(path);
  await Bun.spawn(["sh", "-c", `printf waiting > ${path}`]).exited;
  // Whatever reads ahead has had its chance once another read of a file went through.
  await readFile("/etc/passwd");
  first.close();
  second.release();
  expect(await countOf(second.chunks)).toBe(7);
});

test("close() ends a read that waits, and may be repeated", async () => {
  const reader = openFifoReader(fifo("f"));
  const counted = countOf(reader.chunks);
  reader.close();
  reader.close();
  expect(await counted).toBe(0);
});

test("a writer writes before anybody reads, waits for room, and its close is the reader's end", async () => {
  const path = fifo("f");
  const writer = openFifoWriter(path);
  await writer.write(new Uint8Array(1000).fill(65));
  const child = Bun.spawn(["sha256sum", path], { stdout: "pipe" });
  const chunk = new Uint8Array(1_000_000).fill(66);
  const hash = new Bun.CryptoHasher("sha256").update(new Uint8Array(1000).fill(65));
  for (let round = 0; round < 10; round++) {
    await writer.write(chunk);
    hash.update(chunk);
  }
  await writer.close();
  await writer.close();
  expect(await new Response(child.stdout).text()).toStartWith(hash.digest("hex"));
});
