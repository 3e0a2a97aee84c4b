import { readFileSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import { type Digest, parseDigest, type ReadDocument } from "@ctr/oci";
import { checkIdentifier } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { blobPath, contentLayout } from "./layout.ts";
import { mapped, SMALL_BYTES } from "./reader.ts";

interface Row {
  readonly digest: string;
  readonly size: bigint;
}

/**
 * Small blobs of the namespace, each whole, and of those that it does not have that they are not there. Undefined when one
 * is large or damaged: reading it by itself says what is wrong, if anything is.
 */
export function readDocuments(
  store: Store,
  namespace: string,
  digests: readonly Digest[],
): ReadonlyMap<Digest, ReadDocument> | undefined {
  const layout = contentLayout(store);
  const sql = `SELECT digest, size FROM blobs
    WHERE namespace = ? AND digest IN (SELECT value FROM json_each(?))`;
  const asked = JSON.stringify(digests);
  const rows = store.db.read((tx) => tx.all<Row>(sql, checkIdentifier(namespace, "namespace"), asked));
  // In the words that an error has once it has been through a channel.
  const missing = (digest: Digest) =>
    new ContainerdError({ code: "not_found", what: `content digest ${digest}: not found` });
  const found = new Map<Digest, ReadDocument>();
  for (const row of rows) {
    const digest = parseDigest(row.digest);
    const bytes = row.size > SMALL_BYTES ? undefined : wholeFile(blobPath(layout, digest));
    if (bytes?.byteLength !== Number(row.size)) return undefined;
    found.set(digest, bytes);
  }
  for (const digest of digests) if (!found.has(digest)) found.set(digest, { fault: missing(digest) });
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
