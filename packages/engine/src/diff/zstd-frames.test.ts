import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { ZstdFrames } from "./zstd-frames.ts";

const skippable = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

test("ZstdFrames is complete at the end of every frame and nowhere else, however the bytes come", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 3 }),
      fc.nat(9),
      (parts, chunk) => {
        const frames = parts.map((part) => zstdCompressSync(part)).flatMap((frame) => [frame, skippable]);
        const ends = new Set<number>();
        frames.reduce((at, frame) => {
          ends.add(at + frame.byteLength);
          return at + frame.byteLength;
        }, 0);
        const stream = Buffer.concat(frames);
        const reader = new ZstdFrames();
        for (let at = 0; at < stream.byteLength; at += chunk + 1) {
          const piece = stream.subarray(at, at + chunk + 1);
          reader.push(piece);
          expect(reader.complete).toBe(ends.has(at + piece.byteLength));
        }
      },
    ),
  );
});

test("ZstdFrames follows large streams with many blocks", () => {
  const stream = zstdCompressSync(Buffer.alloc(3_000_000, "some text, "));
  const reader = new ZstdFrames();
  reader.push(stream);
  expect(reader.complete).toBe(true);
  const cut = new ZstdFrames();
  cut.push(stream.subarray(0, -1));
  expect(cut.complete).toBe(false);
});
