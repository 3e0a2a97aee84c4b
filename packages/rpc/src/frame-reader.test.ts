import { expect, test } from "bun:test";
import fc from "fast-check";
import { FrameReader } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

const anyFrame = fc.record({
  type: fc.nat(255),
  flags: fc.nat(255),
  streamId: fc.nat(0x7fff_ffff),
  payload: fc.uint8Array({ maxLength: 300 }),
});

function write(frames: readonly Frame[]): Uint8Array {
  const writer = new FrameWriter(16);
  for (const { type, flags, streamId, payload } of frames) {
    writer.header(type, flags, streamId, payload.byteLength);
    writer.raw(payload);
  }
  return writer.written;
}

test("FrameReader finds the frames that FrameWriter wrote, however they are chunked", () => {
  fc.assert(
    fc.property(fc.array(anyFrame), fc.array(fc.integer({ min: 1, max: 400 })), (frames, sizes) => {
      const bytes = write(frames);
      const read: Frame[] = [];
      const reader = new FrameReader(16_384, (type, flags, streamId, payload) =>
        read.push({ type, flags, streamId, payload: payload.slice() }),
      );
      let at = 0;
      for (let i = 0; at < bytes.byteLength; i++) {
        const size = sizes[i % Math.max(1, sizes.length)] ?? 1;
        reader.push(bytes.slice(at, at + size));
        at += size;
      }
      expect(read).toEqual(frames);
    }),
  );
});

test("FrameReader refuses a frame above its limit before its payload comes", () => {
  const reader = new FrameReader(16_384, () => {});
  expect(() => reader.push(Uint8Array.of(0x00, 0x40, 0x01, 0, 0, 0, 0, 0, 1))).toThrow(
    expect.objectContaining({ code: 6 }),
  );
});

test("FrameReader ignores the reserved bit of a stream id", () => {
  let id = -1;
  const reader = new FrameReader(16_384, (_type, _flags, streamId) => {
    id = streamId;
  });
  reader.push(Uint8Array.of(0, 0, 0, 0, 0, 0x80, 0, 0, 5));
  expect(id).toBe(5);
});

test("FrameWriter splits a long header block into CONTINUATION frames and ends only the last", () => {
  const writer = new FrameWriter(16);
  writer.headers(3, new Uint8Array(40), true, 16);
  const seen: string[] = [];
  new FrameReader(16_384, (type, flags, id, payload) => seen.push(`${type} ${flags} ${id} ${payload.byteLength}`)).push(
    writer.written,
  );
  expect(seen).toEqual(["1 1 3 16", "9 0 3 16", "9 4 3 8"]);
});
