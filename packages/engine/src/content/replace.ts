import { mkdirSync } from "node:fs";
import { chmod, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ContainerdError } from "@ctr/api";
import { type Digest, digestAlgorithm, openDigester } from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import { blobPath, contentLayout } from "./layout.ts";

/**
 * Puts good bytes in the place of a damaged or missing blob, for every namespace that has it. What is there is replaced
 * only when `chunks` have the right digest; `data_loss` when they have not.
 */
export async function replaceBlob(
  store: Store,
  digest: Digest,
  chunks: AsyncIterable<Uint8Array>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const path = blobPath(contentLayout(store), digest);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // In the trash, so that a process that dies here leaves nothing that is kept.
  const fresh = trashPath(store);
  using _held = await store.locks.holdDisk({ signal });
  try {
    await writeVerified(fresh, digest, chunks, signal);
    failpoint("replace.written");
    await rename(fresh, path);
    failpoint("replace.renamed");
    await using dir = await open(dirname(path));
    await dir.sync();
  } finally {
    await rm(fresh, { force: true });
  }
}

async function writeVerified(
  path: string,
  expected: Digest,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const digester = openDigester(digestAlgorithm(expected));
  await using file = await open(path, "wx", 0o600);
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    digester.update(chunk);
    for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at)).bytesWritten;
  }
  const found = digester.digest();
  if (found !== expected) {
    throw new ContainerdError({
      code: "data_loss",
      what: "cannot repair blob",
      where: { digest: expected },
      why: `the source gave ${found}`,
    });
  }
  await file.sync();
  await chmod(path, 0o444);
}
