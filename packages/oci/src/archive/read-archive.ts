import { ContainerdError, hasCode } from "@ctr/api";
import { collectBytes, MAX_DOCUMENT_BYTES, openWriter } from "../blob.ts";
import type { Cancel, ContentIngester } from "../content.ts";
import { type Digest, isDigest, openDigester } from "../digest.ts";
import { decompress } from "./compression.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

/** A stored member. */
export interface StoredMember {
  readonly digest: Digest;
  readonly size: bigint;
}

/** What an archive held, whatever the order of its members. */
export interface ArchiveContents {
  /** Text of `oci-layout` and `manifest.json`; `undefined` where there is none. */
  readonly layout: Uint8Array | undefined;
  readonly dockerManifest: Uint8Array | undefined;
  /** Every other regular member, by its clean name; all are blobs now. */
  readonly members: ReadonlyMap<string, StoredMember>;
  /** Symbolic links to members: name and what it leads to, both clean. */
  readonly links: ReadonlyMap<string, string>;
}

/**
 * Stores every member of an image archive (tar, plain, gzip or zstd) as a blob. Nothing is written by a member's name,
 * yet names that lead out of the archive are refused (R24). Throws `invalid_argument` for what is no tar.
 */
export async function readArchive(
  store: ContentIngester,
  chunks: AsyncIterable<Uint8Array>,
  options: Cancel,
): Promise<ArchiveContents> {
  const documents = new Map<string, Uint8Array>();
  const members = new Map<string, StoredMember>();
  const links = new Map<string, string>();
  for await (const entry of readTar(decompress(chunks))) {
    options.signal.throwIfAborted();
    const name = cleanName(entry.name);
    if (entry.kind === "symlink") links.set(name, cleanName(joinLink(name, entry.linkName)));
    if (entry.kind !== "file") continue;
    if (name === "oci-layout" || name === "manifest.json") {
      documents.set(name, await collectBytes(entry.body, MAX_DOCUMENT_BYTES));
    } else {
      members.set(name, await storeMember(store, { name, entry }, options));
    }
  }
  return { layout: documents.get("oci-layout"), dockerManifest: documents.get("manifest.json"), members, links };
}

/** A link's target, as seen from the archive's root. */
function joinLink(name: string, target: string): string {
  return `${name.slice(0, name.lastIndexOf("/") + 1)}${target}`;
}

/** Cleans as Go's path.Clean. Throws `invalid_argument` for absolute names and those that climb out. */
export function cleanName(name: string): string {
  const kept: string[] = [];
  let escapes = name.startsWith("/") || name.includes("\0");
  for (const element of name.split("/")) {
    if (element === "" || element === ".") continue;
    if (element !== "..") kept.push(element);
    else if (kept.pop() === undefined) escapes = true;
  }
  if (!escapes) return kept.length === 0 ? "." : kept.join("/");
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot import archive",
    where: { member: JSON.stringify(name) },
    why: "its name leads out of the archive",
  });
}

/** One member as a blob. A member named after its digest that is there already is not written again. */
async function storeMember(
  store: ContentIngester,
  member: { readonly name: string; readonly entry: TarEntry },
  options: Cancel,
): Promise<StoredMember> {
  const { entry, name } = member;
  const { signal } = options;
  let digest = digestOfName(name);
  try {
    await using writer = await openWriter(store, `tar-${name}`, {
      signal,
      size: entry.size,
      ...(digest === undefined ? {} : { expected: digest }),
    });
    // A stream cannot be asked for its middle: an earlier try counts for nothing.
    if (writer.offset > 0n) await writer.truncate(0n, { signal });
    const digester = openDigester();
    for await (const chunk of entry.body) {
      digester.update(chunk);
      await writer.write(chunk, { signal });
    }
    const expected = digest;
    digest ??= digester.digest();
    // containerd's service answers a commit that is the first to name a digest it has with `already exists` and leaves
    // the blob to GC; one without a digest takes the blob under the lease.
    await writer.commit({ size: entry.size, ...(expected === undefined ? {} : { expected }) }, { signal });
    return { digest, size: entry.size };
  } catch (error) {
    // Told at the opening of a member named by its digest, or at the commit, when the digest is known as well.
    if (digest !== undefined && hasCode(error, "already_exists")) return { digest, size: entry.size };
    throw ingestFailed(name, error);
  }
}

function ingestFailed(name: string, cause: unknown): unknown {
  if (!(cause instanceof ContainerdError)) return cause;
  const what = `failed to ingest ${JSON.stringify(name)}`;
  return new ContainerdError({ code: cause.code, what, why: cause.message, cause });
}

/** `blobs/sha256/<hex>` says what the member should be. */
function digestOfName(name: string): Digest | undefined {
  const match = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(name);
  const text = match === null ? "" : `${match[1]}:${match[2]}`;
  return isDigest(text) ? text : undefined;
}
