import { type Digest, digestAlgorithm, digestHex } from "@ctr/oci";
import type { Store } from "../store/store.ts";

/** Where the bytes of a store are: containerd's own layout, so that other tools can read it. */
export interface ContentLayout {
  readonly root: string;
  readonly blobs: string;
  readonly ingest: string;
}

export function contentLayout(store: Pick<Store, "root">): ContentLayout {
  const root = `${store.root}/io.containerd.content.v1.content`;
  return { root, blobs: `${root}/blobs`, ingest: `${root}/ingest` };
}

/** The file of a committed blob. */
export function blobPath(layout: ContentLayout, digest: Digest): string {
  return `${layout.blobs}/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** What names an ingest on disk: the id keeps a ref that is used again from meeting the old directory. */
export interface IngestKey {
  readonly namespace: string;
  readonly id: bigint;
  readonly ref: string;
}

/** The directory of an ingest; its bytes are in `data`. */
export function ingestDir(layout: ContentLayout, key: IngestKey): string {
  const backendRef = `${key.namespace}/${key.id}/${key.ref}`;
  return `${layout.ingest}/${new Bun.CryptoHasher("sha256").update(backendRef).digest("hex")}`;
}
