import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeTtrpcFrame, MAX_TTRPC_BYTES, TTRPC_HEADER_BYTES, type TtrpcFrame, TtrpcFrameReader } from "./frame.ts";

const anyFrame = fc.record({
  streamId: fc.integer({ min: 0, max: 0xffff_ffff }),
  type: fc.integer({ min: 0, max: 255 }),
  flags: fc.integer({ min: 0, max: 255 }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

function readAll(chunks: readonly Uint8Array[]): { frames: TtrpcFrame[]; oversize: [number, number][] } {
  const frames: TtrpcFrame[] = [];
  const oversize: [number, number][] = [];
  const reader = new TtrpcFrameReader({
    frame: (frame) => frames.push(frame),
    oversize: (streamId, length) => oversize.push([streamId, length]),
  });
  for (const chunk of chunks) reader.push(chunk);
  return { frames, oversize };
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

test("TtrpcFrameReader gives the frames that were encoded, however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.integer({ min: 1, max: 400 }), (frames, size) => {
      const bytes = Buffer.concat(frames.map(encodeTtrpcFrame));
      const plain = ({ payload, ...rest }: TtrpcFrame) => ({ ...rest, payload: [...payload] });
      expect(readAll(cut(bytes, size)).frames.map(plain)).toEqual(frames.map(plain));
    }),
  );
});

test("TtrpcFrameReader takes any bytes without throwing", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 }), (chunks) => {
      readAll(chunks);
    }),
  );
});

test("TtrpcFrameReader skips a payload above the limit and reads what follows", () => {
  const big = encodeTtrpcFrame({ streamId: 3, type: 1, flags: 0, payload: new Uint8Array(MAX_TTRPC_BYTES + 1) });
  const next = encodeTtrpcFrame({ streamId: 5, type: 1, flags: 0, payload: Uint8Array.of(7) });
  const { frames, oversize } = readAll(cut(Buffer.concat([big, next]), 100_000));
  expect(oversize).toEqual([[3, MAX_TTRPC_BYTES + 1]]);
  expect(frames.map((frame) => frame.streamId)).toEqual([5]);
});

test("encodeTtrpcFrame() writes length and stream id in network order", () => {
  const bytes = encodeTtrpcFrame({ streamId: 0x01020304, type: 2, flags: 5, payload: Uint8Array.of(9) });
  expect([...bytes]).toEqual([0, 0, 0, 1, 1, 2, 3, 4, 2, 5, 9]);
  expect(bytes.byteLength).toBe(TTRPC_HEADER_BYTES + 1);
});
