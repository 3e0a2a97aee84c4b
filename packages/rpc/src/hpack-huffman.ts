import { H2ConnectionError, h2Code } from "./h2-error.ts";

const EOS = 256;

/**
 * RFC 7541 Appendix B: the symbols that have a code of 0, 1, 2… bits, one char each, 0x100 being EOS. The code is
 * canonical: codes of one length count up in this order, and continue from those one bit shorter. Read as it stands, not
 * made into a tree: a short-lived client decodes a few dozen octets in its life.
 */
const symbolsByLength: readonly string[] = [
  "",
  "",
  "",
  "",
  "",
  "012aceiost",
  " %-./3456789=A_bdfghlmnpru",
  ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
  "&*,;XZ",
  "",
  '!"()?',
  "'+|",
  "#>",
  "\0$@[]~",
  "^}",
  "<`{",
  "",
  "",
  "",
  "\\\xc3\xd0",
  "\x80\x82\x83\xa2\xb8\xc2\xe0\xe2",
  "\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6",
  "\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9",
  "\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef",
  "\t\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed",
  "\xc7\xcf\xea\xeb",
  "\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff",
  "\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe",
  "\x02\x03\x04\x05\x06\x07\b\v\f\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9",
  "",
  "\n\r\x16\u0100",
];

/** The longest padding: up to 7 bits of the EOS code, RFC 7541 section 5.2. */
const MAX_PADDING_BITS = 7;

/** Text of a Huffman-coded string, one char per octet. Throws COMPRESSION_ERROR on EOS or wrong padding. */
export function huffmanDecode(bytes: Uint8Array): string {
  let text = "";
  // Of the symbol under way: its bits so far, how many, and the first code of that length.
  let code = 0;
  let length = 0;
  let first = 0;
  // By index, for the reason told at the decoder's latin1().
  for (let at = 0; at < bytes.byteLength; at++) {
    const byte = bytes[at] ?? 0;
    for (let shift = 7; shift >= 0; shift--) {
      code = (code << 1) | ((byte >>> shift) & 1);
      first <<= 1;
      length++;
      const symbols = symbolsByLength[length] ?? "";
      if (code - first >= symbols.length) {
        first += symbols.length;
        continue;
      }
      if (symbols.charCodeAt(code - first) === EOS) throw compressionFault("EOS inside a Huffman string");
      text += symbols.charAt(code - first);
      code = 0;
      length = 0;
      first = 0;
    }
  }
  const ones = code === (1 << length) - 1;
  if (length > MAX_PADDING_BITS || !ones) throw compressionFault("wrong padding of a Huffman string");
  return text;
}

function compressionFault(message: string): H2ConnectionError {
  return new H2ConnectionError(h2Code.compressionError, message);
}
