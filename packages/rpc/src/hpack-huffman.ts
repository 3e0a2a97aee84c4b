import { H2ConnectionError, h2Code } from "./h2-error.ts";

/**
 * Code lengths of RFC 7541 Appendix B in bits, one base-36 digit for each symbol 0…256 (256 is EOS). The code is
 * canonical (codes of one length count up with the symbol), so the lengths are all there is to know.
 */
const LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6" +
  "f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";

const EOS = 256;
/** The longest padding: up to 7 bits of the EOS code, RFC 7541 section 5.2. */
const MAX_PADDING_BITS = 7;

/** Nodes of the binary code tree: two children each, positive for a node, `-1 - symbol` for a leaf. */
let tree: Int16Array | undefined;

/** Text of a Huffman-coded string, one char per octet. Throws COMPRESSION_ERROR on EOS or wrong padding. */
export function huffmanDecode(bytes: Uint8Array): string {
  tree ??= buildTree();
  const nodes = tree;
  let text = "";
  let node = 0;
  let bits = 0;
  let ones = true;
  for (const byte of bytes) {
    for (let shift = 7; shift >= 0; shift--) {
      const bit = (byte >>> shift) & 1;
      bits++;
      ones &&= bit === 1;
      node = nodes[node * 2 + bit] ?? 0;
      if (node >= 0) continue;
      const symbol = -1 - node;
      if (symbol === EOS) throw new H2ConnectionError(h2Code.compressionError, "EOS inside a Huffman string");
      text += String.fromCharCode(symbol);
      node = 0;
      bits = 0;
      ones = true;
    }
  }
  if (bits > MAX_PADDING_BITS || !ones) {
    throw new H2ConnectionError(h2Code.compressionError, "wrong padding of a Huffman string");
  }
  return text;
}

function buildTree(): Int16Array {
  const nodes = new Int16Array(2 * EOS * 2);
  let used = 1;
  for (const { symbol, code, length } of canonicalCodes()) {
    let node = 0;
    for (let shift = length - 1; shift > 0; shift--) {
      const slot = node * 2 + ((code >>> shift) & 1);
      if (nodes[slot] === 0) nodes[slot] = used++;
      node = nodes[slot] ?? 0;
    }
    nodes[node * 2 + (code & 1)] = -1 - symbol;
  }
  return nodes;
}

/** Codes in order of length, then symbol; each is the one before plus one, shifted to its length. */
function canonicalCodes(): { symbol: number; code: number; length: number }[] {
  const sorted = Array.from(LENGTHS, (digit, symbol) => ({ symbol, code: 0, length: Number.parseInt(digit, 36) }));
  sorted.sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  let next = 0;
  let length = 0;
  for (const entry of sorted) {
    next <<= entry.length - length;
    length = entry.length;
    entry.code = next++;
  }
  return sorted;
}
