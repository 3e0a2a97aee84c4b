import { type Digest, isDigest } from "@ctr/oci";
import { fail } from "./errors.ts";

/** A digest given on the command line. Refused in Go's words, before anything else is done. */
export function digestArgument(text = ""): Digest {
  if (isDigest(text)) return text;
  const [algorithm = "", hex] = text.split(":", 2);
  const known = /^(sha256|sha384|sha512)$/.test(algorithm);
  if (known && hex !== undefined && /^[0-9a-f]+$/.test(hex)) throw fail("invalid checksum digest length");
  throw fail("invalid checksum digest format", "a digest is written sha256: and 64 hexadecimal digits");
}
