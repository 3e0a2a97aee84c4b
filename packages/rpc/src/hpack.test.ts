import { expect, test } from "bun:test";
import fc from "fast-check";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { huffmanDecode } from "./hpack-huffman.ts";
import { decodeInteger, encodeInteger } from "./hpack-integer.ts";
import type { HeaderField } from "./hpack-table.ts";

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair: string) => Number.parseInt(pair, 16));
}

function decoder(maxTableBytes = 4096, maxListBytes = 1 << 20): HpackDecoder {
  return new HpackDecoder({ maxTableBytes, maxListBytes });
}

function fieldsOf(hpack: HpackDecoder, block: Uint8Array): readonly HeaderField[] {
  const decoded = hpack.decode(block);
  if (decoded.kind !== "fields") throw new Error(`too large: ${decoded.size}`);
  return decoded.fields;
}

test.each([
  ["C.1.1: 10 with a 5-bit prefix", 10, 5, "0a"],
  ["C.1.2: 1337 with a 5-bit prefix", 1337, 5, "1f 9a 0a"],
  ["C.1.3: 42 at an octet boundary", 42, 8, "2a"],
])("decodeInteger() and encodeInteger() agree with RFC 7541 %s", (_title, value, bits, hex) => {
  expect(decodeInteger({ bytes: fromHex(hex), at: 0 }, bits)).toBe(value);
  const out: number[] = [];
  encodeInteger(out, 0, bits, value);
  expect(out).toEqual([...fromHex(hex)]);
});

const first: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const second: HeaderField[] = [...first, ["cache-control", "no-cache"]];
const third: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];
const redirect: HeaderField[] = [
  [":status", "302"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["location", "https://www.example.com"],
];
const redirect307: HeaderField[] = [[":status", "307"], ...redirect.slice(1)];
const found: HeaderField[] = [
  [":status", "200"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
  ["location", "https://www.example.com"],
  ["content-encoding", "gzip"],
  ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

type Step = readonly [hex: string, fields: readonly HeaderField[], tableBytes: number];

/** RFC 7541 Appendix C: blocks that one decoder reads in turn, and the size of its table after each. */
const series: ReadonlyArray<readonly [title: string, tableBytes: number, steps: readonly Step[]]> = [
  [
    "C.2.1, a literal with indexing",
    4096,
    [["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", [["custom-key", "custom-header"]], 55]],
  ],
  ["C.2.2, a literal without indexing", 4096, [["040c 2f73 616d 706c 652f 7061 7468", [[":path", "/sample/path"]], 0]]],
  [
    "C.2.3, a literal never indexed",
    4096,
    [["1008 7061 7373 776f 7264 0673 6563 7265 74", [["password", "secret"]], 0]],
  ],
  ["C.2.4, an indexed field", 4096, [["82", [[":method", "GET"]], 0]]],
  [
    "C.3, requests without Huffman coding",
    4096,
    [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first, 57],
      ["8286 84be 5808 6e6f 2d63 6163 6865", second, 110],
      ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third, 164],
    ],
  ],
  [
    "C.4, requests with Huffman coding",
    4096,
    [
      ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first, 57],
      ["8286 84be 5886 a8eb 1064 9cbf", second, 110],
      ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, 164],
    ],
  ],
  [
    "C.5, responses without Huffman coding, with eviction",
    256,
    [
      [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120" +
          "474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        redirect,
        222,
      ],
      ["4803 3330 37c1 c0bf", redirect307, 222],
      [
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738" +
          "666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33" +
          "3630 303b 2076 6572 7369 6f6e 3d31",
        found,
        215,
      ],
    ],
  ],
  [
    "C.6, responses with Huffman coding, with eviction",
    256,
    [
      [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718" +
          "63c7 8f0b 97c8 e9ae 82ae 43d3",
        redirect,
        222,
      ],
      ["4883 640e ffc1 c0bf", redirect307, 222],
      [
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7" +
          "b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        found,
        215,
      ],
    ],
  ],
];

test.each(series)("HpackDecoder reads RFC 7541 %s", (_title, tableBytes, steps) => {
  const hpack = decoder(tableBytes);
  for (const [hex, fields, expectedBytes] of steps) {
    expect(fieldsOf(hpack, fromHex(hex))).toEqual(fields);
    expect(hpack.tableBytes).toBe(expectedBytes);
  }
});

test("encodeHeaders() makes what HpackDecoder reads, for any fields", () => {
  const octets = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 300,
  });
  const anyField = fc.oneof(
    fc.tuple(octets, octets),
    fc.constantFrom<HeaderField>([":method", "POST"], [":path", "/x"], ["te", "trailers"], [":status", "200"]),
  );
  fc.assert(
    fc.property(fc.array(anyField), (fields) => {
      expect(fieldsOf(decoder(), encodeHeaders(fields))).toEqual(fields);
    }),
  );
});

test("HpackDecoder either reads any octets or throws a COMPRESSION_ERROR", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        decoder().decode(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: "H2ConnectionError", code: 9 });
      }
    }),
    { seed: 7541, numRuns: 2000 },
  );
});

test.each([
  ["index 0", "80"],
  ["an index past both tables", "be"],
  ["an integer without end", `ff${"ff".repeat(20)}`],
  ["a string longer than its block", "400a 6375"],
  ["a table larger than announced", "3fe2 1f"],
  ["a table size update after a field", "82 20"],
  ["a block that ends inside an integer", "ff"],
  ["EOS in a Huffman string", "4084 ffff ffff 00"],
  ["Huffman padding of a whole octet", "4082 1fff 00"],
  ["Huffman padding with a 0 bit", "4081 00 00"],
])("HpackDecoder refuses %s", (_why, hex) => {
  expect(() => decoder().decode(fromHex(hex))).toThrow(expect.objectContaining({ code: 9 }));
});

test("HpackDecoder keeps no list above its limit, but stays in step with the peer", () => {
  const hpack = decoder(4096, 8192);
  const name = "x".repeat(1000);
  const out = [0x40];
  encodeInteger(out, 0, 7, name.length);
  for (const char of name) out.push(char.charCodeAt(0));
  encodeInteger(out, 0, 7, 0);
  // Index 62 is the entry just made: each of these octets stands for a kilobyte.
  const bomb = Uint8Array.from([...out, ...new Array<number>(100_000).fill(0xbe)]);
  const decoded = hpack.decode(bomb);
  expect(decoded).toMatchObject({ kind: "too_large" });
  expect(fieldsOf(hpack, Uint8Array.of(0xbe))).toEqual([[name, ""]]);
});

test("huffmanDecode() reads octets with long codes", () => {
  // RFC 7541 Appendix B lists them as 1ff8 (13 bits) and 3ffffee (26).
  expect(huffmanDecode(fromHex("ffc7"))).toBe("\0");
  expect(huffmanDecode(fromHex("fffffbbf"))).toBe("\u00ff");
});
