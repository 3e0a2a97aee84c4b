import { expect, test } from "bun:test";
import fc from "fast-check";
import { collectBytes } from "../blob.ts";
import { decompress } from "./compression.ts";
import { readTar } from "./tar-reader.ts";
import { type TarMember, writeTar } from "./tar-writer.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function member(name: string, text: string): TarMember {
  const bytes = encode(text);
  return {
    name,
    mode: 0o644,
    size: BigInt(bytes.byteLength),
    async *open() {
      yield bytes;
    },
  };
}

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function names(bytes: Uint8Array, chunk = 1000): Promise<readonly (readonly [string, string])[]> {
  const found: [string, string][] = [];
  for await (const entry of readTar(chunked(bytes, chunk))) {
    found.push([entry.name, new TextDecoder().decode(await collectBytes(entry.body, 1 << 20))]);
  }
  return found;
}

const write = (members: readonly TarMember[]) => collectBytes(writeTar(members), 1 << 24);

test("readTar() reads what writeTar() wrote, however it is chunked", async () => {
  const name = fc.stringMatching(/^[a-zé/]{1,200}$/).filter((text) => !text.endsWith("/"));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, fc.string())), fc.integer({ min: 1, max: 2000 }), async (files, chunk) => {
      const bytes = await write(files.map(([file, text]) => member(file, text)));
      expect(bytes.byteLength % 512).toBe(0);
      expect(await names(bytes, chunk)).toEqual(
        files.map(([file, text]) => [file, new TextDecoder().decode(encode(text))]),
      );
    }),
    { numRuns: 50 },
  );
});

test.each([["ustar"], ["pax"], ["gnu"], ["oldgnu"], ["v7"]])("readTar() reads GNU tar's %s", async (format) => {
  const long = format === "v7" ? "short" : `${"d".repeat(90)}/${"f".repeat(90)}`;
  const script = `cd "$(mktemp -d)" && mkdir -p "$(dirname ${long})" && printf hello > ${long} && tar --format=${format} -cf - ${long} && rm -rf "$PWD"`;
  const { stdout } = Bun.spawnSync(["sh", "-c", script]);
  expect(await names(stdout)).toEqual([[long, "hello"]]);
});

test("GNU tar reads what writeTar() wrote", async () => {
  const long = `${"d".repeat(120)}/${"f".repeat(120)}`;
  const bytes = await write([member("a", "1"), { name: "dir/", mode: 0o755, size: 0n }, member(long, "2")]);
  const { stdout, exitCode } = Bun.spawnSync(["tar", "-tvf", "-"], { stdin: bytes, env: { TZ: "UTC", LC_ALL: "C" } });
  expect(exitCode).toBe(0);
  expect(stdout.toString().trim().split("\n")).toEqual([
    "-rw-r--r-- 0/0               1 1970-01-01 00:00 a",
    "drwxr-xr-x 0/0               0 1970-01-01 00:00 dir/",
    `-rw-r--r-- 0/0               1 1970-01-01 00:00 ${long}`,
  ]);
});

test.each([
  ["no tar at all", () => encode("x".repeat(600)), "archive/tar: invalid tar header"],
  ["a broken checksum", (tar: Uint8Array) => tar.with(0, 0x7a), "archive/tar: invalid tar header"],
  ["a body cut short", (tar: Uint8Array) => tar.slice(0, 700), "unexpected EOF"],
  ["a header cut short", (tar: Uint8Array) => tar.slice(0, 300), "unexpected EOF"],
])("readTar() refuses %s", async (_what, spoil, message) => {
  const tar = await write([member("a", "x".repeat(600))]);
  await expect(names(spoil(tar))).rejects.toThrow(message);
});

test("R12: readTar() refuses an extended header that would fill memory", async () => {
  const tar = await write([member("a", "1")]);
  tar.set(encode("x"), 156);
  tar.set(encode("77777777777\0"), 124);
  tar.set(encode("        "), 148);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.set(encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  await expect(names(tar)).rejects.toThrow("extended header is too large");
});

test("readTar() throws one class of error for any bytes", async () => {
  const tar = await write([member("a", "hello"), member("d".repeat(150), "x")]);
  await fc.assert(
    fc.asyncProperty(fc.nat(tar.byteLength - 1), fc.nat(255), async (at, byte) => {
      try {
        await names(tar.with(at, byte));
      } catch (error) {
        expect(["invalid_argument", "data_loss"]).toContain((error as { code: string }).code);
      }
    }),
  );
});

test("writeTar() fails when a body is not as long as it said", async () => {
  await expect(write([{ ...member("a", "four"), size: 5n }])).rejects.toThrow(
    "unexpected copy size for a: got 4 bytes, expected 5",
  );
});

test.each([
  ["plain", (bytes: Uint8Array) => bytes],
  ["gzip", (bytes: Uint8Array) => Bun.gzipSync(new Uint8Array(bytes))],
  ["zstd", (bytes: Uint8Array) => Bun.zstdCompressSync(bytes)],
])("decompress() reads %s", async (_kind, pack) => {
  const tar = await write([member("a", "hello")]);
  expect(await names(await collectBytes(decompress(chunked(pack(tar), 7)), 1 << 20))).toEqual([["a", "hello"]]);
});

test("decompress() tells of broken gzip", async () => {
  const packed = Bun.gzipSync(new Uint8Array(1000)).slice(0, -9);
  await expect(collectBytes(decompress(chunked(packed, 5)), 1 << 20)).rejects.toThrow("cannot decompress archive");
});
