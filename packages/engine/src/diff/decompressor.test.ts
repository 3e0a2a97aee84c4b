import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { decompressLayer } from "./decompressor.ts";

/** All that comes out of `bytes` when they come in such pieces; or what is told of them. */
async function outcomeOf(bytes: Uint8Array, pieceBytes: number): Promise<string> {
  const pieces = async function* () {
    for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  };
  const hash = new Bun.CryptoHasher("sha256");
  try {
    for await (const chunk of decompressLayer(pieces())) hash.update(chunk);
    return hash.digest("hex");
  } catch (error) {
    return String(error);
  }
}

const text = Buffer.from("a layer ".repeat(1000));
const packed = gzipSync(text);

/** By `outcomeOf`, a text, or what the error has in it. */
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

test.each<readonly [string, Uint8Array, string]>([
  ["one member", packed, sha256(text)],
  ["two members", Buffer.concat([packed, packed]), sha256(Buffer.concat([text, text]))],
  ["no bytes", gzipSync(Buffer.alloc(0)), sha256(Buffer.alloc(0))],
  ["more than is inflated at once", gzipSync(Buffer.alloc(5_000_000)), sha256(Buffer.alloc(5_000_000))],
  ["zeros behind the end", Buffer.concat([packed, Buffer.alloc(600)]), sha256(text)],
  ["a wrong checksum", Buffer.concat([packed.subarray(0, -6), Buffer.alloc(6, 1)]), "incorrect data check"],
  ["an early end", packed.subarray(0, 40), "unexpected end of file"],
])("a gzip layer in one piece is what it is in many: %s", async (_what, bytes, wanted) => {
  const whole = await outcomeOf(bytes, bytes.byteLength);
  expect(whole).toContain(wanted);
  expect(await outcomeOf(bytes, 10)).toBe(whole);
});
