import { ContainerdError } from "@ctr/api";

declare const digestBrand: unique symbol;

/** `algorithm:hex` of stored bytes; always validated. Image-spec, descriptor.md "Digests". */
export type Digest = string & { readonly [digestBrand]: true };

/** Hex digits by algorithm; these three are what containerd accepts. */
const hexLengths: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha384", 96],
  ["sha512", 128],
]);

/** Checks `text` and brands it. Throws `invalid_argument` with the words Go tools use. */
export function parseDigest(text: string): Digest {
  const why = digestFault(text);
  if (why !== undefined) {
    throw new ContainerdError({ code: "invalid_argument", what: "cannot read digest", where: { digest: text }, why });
  }
  // digestFault found nothing wrong with it.
  return text as Digest;
}

export function isDigest(text: string): text is Digest {
  return digestFault(text) === undefined;
}

function digestFault(text: string): string | undefined {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) return undefined;
  const colon = text.indexOf(":");
  if (colon <= 0) return "invalid checksum digest format";
  const length = hexLengths.get(text.slice(0, colon));
  if (length === undefined)
    return /^[a-z0-9+._-]+$/.test(text.slice(0, colon))
      ? "unsupported digest algorithm"
      : "invalid checksum digest format";
  const hex = text.slice(colon + 1);
  if (!/^[0-9a-f]+$/.test(hex)) return "invalid checksum digest format";
  return hex.length === length ? undefined : "invalid checksum digest length";
}

/** The part before the colon. */
export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":"));
}

/** The part after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Collects bytes and names them; `digest` may be asked for once. */
export interface Digester {
  update(chunk: Uint8Array): void;
  digest(): Digest;
}

/** A sha256 digester, or one of `algorithm`. Bun's own hasher costs nothing to load; Node's is fetched when first used. */
export function openDigester(algorithm = "sha256"): Digester {
  const hash = openHash(algorithm);
  return {
    update: (chunk) => {
      hash.update(chunk);
    },
    // A fresh hash of a known algorithm has the right length and alphabet.
    digest: () => `${algorithm}:${hash.digest("hex")}` as Digest,
  };
}

interface Hash {
  update(chunk: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

function openHash(algorithm: string): Hash {
  if (typeof Bun !== "undefined" && algorithm === "sha256") return new Bun.CryptoHasher("sha256");
  return process.getBuiltinModule("node:crypto").createHash(algorithm);
}

/** The digest of bytes that are all there. */
export function digestOf(bytes: Uint8Array): Digest {
  const digester = openDigester();
  digester.update(bytes);
  return digester.digest();
}
