import type { Random } from "./random.ts";

/** Inputs do not grow past this. */
const MAX_BYTES = 64 * 1024;
/** Bytes at which parsers turn: ends of ranges, separators, quotes. */
const TELLING: readonly [number, ...number[]] = [
  ...[
    0, 1, 0x7f, 0x80, 0xff, 0x20, 0x0a, 0x22, 0x27, 0x2c, 0x2d, 0x2e, 0x2f, 0x3a, 0x3d, 0x40, 0x5b, 0x5c, 0x5d, 0x7b,
    0x7d,
  ],
] as [number, ...number[]];

type Change = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const changes: readonly [Change, ...Change[]] = [
  (bytes, random) => set(bytes, random, (old) => old ^ (1 << random.below(8))),
  (bytes, random) => set(bytes, random, () => random.pick(TELLING)),
  (bytes, random) => set(bytes, random, (old) => old + random.below(35) - 17),
  (bytes, random) => bytes.subarray(0, random.below(bytes.byteLength + 1)),
  (bytes, random) => splice(bytes, random.below(bytes.byteLength + 1), random.below(16), new Uint8Array()),
  (bytes, random) => splice(bytes, random.below(bytes.byteLength + 1), 0, Uint8Array.of(random.pick(TELLING))),
  (bytes, random) => {
    const from = random.below(bytes.byteLength + 1);
    const piece = bytes.subarray(from, from + random.below(64));
    return splice(bytes, random.below(bytes.byteLength + 1), 0, piece);
  },
  (bytes, random, other) => {
    const head = bytes.subarray(0, random.below(bytes.byteLength + 1));
    return Buffer.concat([head, other.subarray(random.below(other.byteLength + 1))]);
  },
];

/** A few changes to a copy of `bytes`; pieces of `other` may come in. */
export function mutate(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let mutant = bytes;
  for (let left = 1 + random.below(4); left > 0; left--) mutant = random.pick(changes)(mutant, random, other);
  // A copy: the pieces may still be somebody else's.
  return new Uint8Array(mutant.subarray(0, MAX_BYTES));
}

function set(bytes: Uint8Array, random: Random, change: (old: number) => number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const at = random.below(Math.max(1, copy.byteLength));
  if (at < copy.byteLength) copy[at] = change(copy[at] ?? 0);
  return copy;
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
}
