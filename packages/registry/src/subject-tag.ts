import { collectBytes, type Descriptor, isIndexType, isManifestType, mediaTypes } from "@ctr/oci";
import type { HttpResponse, RequestBody } from "./http/message.ts";
import { MAX_MANIFEST_BYTES } from "./resolve.ts";
import { unexpectedStatus } from "./status.ts";

/** A manifest that was stored, and how to ask its repository for more. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  send(method: string, path: string, more: ManifestRequest): Promise<HttpResponse>;
}

export interface ManifestRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Lists a manifest that has a subject under the subject's tag, for a registry that did not say `OCI-Subject` and so keeps
 * no such list itself. What others have listed stays. OCI distribution 1.1, "Pushing Manifests with Subject".
 */
export async function listUnderSubject(stored: StoredManifest, answer: HttpResponse): Promise<void> {
  if (answer.headers.get("OCI-Subject") !== "") return;
  const { mediaType } = stored.descriptor;
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) return;
  const manifest = readJson(stored.bytes);
  const subject = text(table(manifest["subject"])["digest"]);
  if (!/^[a-z0-9]+:[0-9a-f]{32,}$/.test(subject)) return;
  const path = `manifests/${subject.replace(":", "-").slice(0, 128)}`;
  const listed = await readListed(stored, path);
  if (listed.some((one) => table(one)["digest"] === stored.descriptor.digest)) return;
  const manifests = [...listed, entryOf(stored.descriptor, manifest)];
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
  const headers = { "Content-Type": mediaTypes.ociIndex };
  await using put = await stored.send("PUT", path, { headers, body: textBody(index) });
  if (![200, 201, 202, 204].includes(put.status)) throw await unexpectedStatus(put, "PUT");
}

async function readListed(stored: StoredManifest, path: string): Promise<readonly unknown[]> {
  await using found = await stored.send("GET", path, { headers: { Accept: mediaTypes.ociIndex } });
  if (found.status === 404) return [];
  if (found.status !== 200) throw await unexpectedStatus(found, "GET");
  const { manifests } = readJson(await collectBytes(found.body, MAX_MANIFEST_BYTES));
  return Array.isArray(manifests) ? manifests : [];
}

/** The artifact's type is the manifest's own, or that of its config. */
function entryOf({ mediaType, digest, size }: Descriptor, manifest: Json): Json {
  const artifactType = text(manifest["artifactType"]) || text(table(manifest["config"])["mediaType"]);
  const annotations = table(manifest["annotations"]);
  return {
    mediaType,
    digest,
    size: Number(size),
    ...(artifactType === "" ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

function textBody(content: string): RequestBody {
  const bytes = new TextEncoder().encode(content);
  return {
    length: BigInt(bytes.byteLength),
    async *open() {
      yield bytes;
    },
  };
}

/** Nothing for bytes that are no JSON object: the registry has taken them, and they have no subject. */
function readJson(bytes: Uint8Array): Json {
  try {
    return table(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}

function table(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
