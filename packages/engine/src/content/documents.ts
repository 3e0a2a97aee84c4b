import { readFileSync } from "node:fs";
import { type Digest, parseDigest } from "@ctr/oci";
import { checkIdentifier } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { blobPath, contentLayout } from "./layout.ts";
import { mapped, SMALL_BYTES } from "./reader.ts";

interface Row {
  readonly digest: string;
  readonly size: bigint;
}

/**
 * The small ones among `digests` that the namespace has, each whole. What is large, unknown or damaged is left out:
 * reading it by itself says what is wrong, if anything is.
 */
export function readDocuments(
  store: Store,
  namespace: string,
  digests: readonly Digest[],
): ReadonlyMap<Digest, Uint8Array> {
  const layout = contentLayout(store);
  const sql = `SELECT digest, size FROM blobs
    WHERE namespace = ? AND size BETWEEN 1 AND ${SMALL_BYTES} AND digest IN (SELECT value FROM json_each(?))`;
  const asked = JSON.stringify(digests);
  const rows = store.db.read((tx) => tx.all<Row>(sql, checkIdentifier(namespace, "namespace"), asked));
  const found = new Map<Digest, Uint8Array>();
  for (const row of rows) {
    const digest = parseDigest(row.digest);
    const bytes = wholeFile(blobPath(layout, digest));
    if (bytes?.byteLength === Number(row.size)) found.set(digest, bytes);
  }
  return found;
}

function wholeFile(path: string): Uint8Array | undefined {
  try {
    return mapped(path) ?? new Uint8Array(readFileSync(path));
  } catch {
    // Reading it by itself says why not.
    return undefined;
  }
}
