import { ContainerdError } from "@ctr/api";
import {
  collectBytes,
  type Descriptor,
  isIndexType,
  isManifestType,
  type Reference,
  referencePath,
  splitObject,
} from "@ctr/oci";
import { apiUrl, repositoryScope } from "./api-url.ts";
import type { HostClient } from "./host-client.ts";
import type { HttpResponse, RequestBody } from "./http/message.ts";
import { MAX_MANIFEST_BYTES } from "./resolve.ts";
import type { Registry } from "./resolver.ts";
import { unexpectedStatus } from "./status.ts";
import { listUnderSubject, type StoredManifest } from "./subject-tag.ts";
import { type ChunkedUpload, type ChunkRequest, sendChunks } from "./upload-chunks.ts";
import { uploadLocation, withDigest } from "./upload-url.ts";

/** Opens the bytes to send, from an offset on; called again for each try. */
export type PushSource = (from: bigint) => AsyncIterable<Uint8Array>;

/** `exists`: the registry had it; `mounted`: it took it from another repository of its own. */
export type PushOutcome = "exists" | "mounted" | "pushed";

export interface PushOptions {
  readonly signal: AbortSignal;
  /** Repositories of the same registry that hold the blob, from `containerd.io/distribution.source.*` labels. */
  readonly mountFrom?: readonly string[];
  /** Bytes handed to the connection so far. */
  readonly onSent?: (bytes: bigint) => void;
}

export interface PushTarget {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  readonly source: PushSource;
}

/** Everything one push needs to know. */
interface Push extends PushTarget, PushOptions {
  readonly client: HostClient;
}

/** Sends one manifest or blob to the first host that takes pushes. */
export async function pushBlob(registry: Registry, target: PushTarget, options: PushOptions): Promise<PushOutcome> {
  const [client] = await registry.clients(target.reference, ["push"]);
  if (client === undefined) throw new ContainerdError({ code: "not_found", what: "no push hosts", why: "not found" });
  const push: Push = { ...target, ...options, client };
  const { mediaType } = target.descriptor;
  return isManifestType(mediaType) || isIndexType(mediaType) ? pushManifest(push) : pushLayer(push);
}

async function pushManifest(push: Push): Promise<PushOutcome> {
  const path = `manifests/${manifestObject(push)}`;
  await using head = await send(push, "HEAD", path, { Accept: `${push.descriptor.mediaType}, */*` });
  if (head.status === 200 && isSame(head, push.descriptor, path)) return "exists";
  if (head.status !== 200 && head.status !== 404) throw await unexpectedStatus(head, "HEAD");
  await using put = await push.client.send(
    {
      method: "PUT",
      url: apiUrl(push.client, push.reference, path),
      headers: { "Content-Type": push.descriptor.mediaType },
      scopes: scopesOf(push),
      body: bodyOf(push),
    },
    push.signal,
  );
  await checkStored(put, push.descriptor);
  await recordSubject(push, put);
  return "pushed";
}

async function recordSubject(push: Push, put: HttpResponse): Promise<void> {
  const { client, descriptor, reference } = push;
  const bytes = await collectBytes(push.source(0n), MAX_MANIFEST_BYTES);
  const send: StoredManifest["send"] = (method, at, more) =>
    sendUpload(push, method, apiUrl(client, reference, at), more);
  await listUnderSubject({ descriptor, bytes, send }, put);
}

/** The tag, where the reference's digest (if any) is this manifest's; else the digest. */
function manifestObject(push: Push): string {
  const { tag, digest } = splitObject(push.reference.object);
  return tag !== "" && (digest === "" || digest === push.descriptor.digest) ? tag : push.descriptor.digest;
}

/** A tag may point elsewhere: only the digest tells. */
function isSame(head: HttpResponse, descriptor: Descriptor, path: string): boolean {
  return path.endsWith(descriptor.digest) || head.headers.get("Docker-Content-Digest") === descriptor.digest;
}

/** Uploads of one blob that are begun again in all: a registry may forget one that is under way. */
const MAX_RESTARTS = 1;

async function pushLayer(push: Push): Promise<PushOutcome> {
  await using head = await send(push, "HEAD", `blobs/${push.descriptor.digest}`, {
    Accept: `${push.descriptor.mediaType}, */*`,
  });
  if (head.status === 200) return "exists";
  if (head.status !== 404) throw await unexpectedStatus(head, "HEAD");
  let sendBody = putWhole;
  for (let restarts = 0; ; ) {
    await using session = await startUpload(push);
    if (session.status === 201) return "mounted";
    if (![200, 202, 204].includes(session.status)) throw await unexpectedStatus(session, "POST");
    await using put = await sendBody(push, session);
    // A proxy on the way takes no body of this size: in pieces it may.
    if (put.status === 413 && sendBody === putWhole && push.descriptor.size > 1n) sendBody = putChunks;
    else if (put.status !== 404 || ++restarts > MAX_RESTARTS) {
      await checkStored(put, push.descriptor);
      return "pushed";
    }
  }
}

function putWhole(push: Push, session: HttpResponse): Promise<HttpResponse> {
  const headers = { "Content-Type": "application/octet-stream" };
  const url = withDigest(uploadLocation(session), push.descriptor.digest);
  return sendUpload(push, "PUT", url, { headers, body: bodyOf(push) });
}

async function putChunks(push: Push, session: HttpResponse): Promise<HttpResponse> {
  const upload: ChunkedUpload = {
    size: push.descriptor.size,
    read: (from) => readFrom(push, from),
    send: (method, url, more) => sendUpload(push, method, url, more),
  };
  const location = await sendChunks(upload, session);
  return sendUpload(push, "PUT", withDigest(location, push.descriptor.digest), {});
}

function sendUpload(push: Push, method: string, url: URL, { headers = {}, body }: ChunkRequest): Promise<HttpResponse> {
  const request = { method, url, headers, scopes: scopesOf(push), ...(body === undefined ? {} : { body }) };
  return push.client.send(request, push.signal);
}

/** Opens an upload, first asking the registry to take the blob from another of its repositories. */
async function startUpload(push: Push): Promise<HttpResponse> {
  const from = mountCandidate(push);
  if (from !== undefined) {
    const mounted = await tryMount(push, from);
    if (mounted !== undefined) return mounted;
  }
  return send(push, "POST", "blobs/uploads/", {});
}

/** `undefined` when the other repository may not be read: then the blob is sent. */
async function tryMount(push: Push, from: string): Promise<HttpResponse | undefined> {
  const url = apiUrl(push.client, push.reference, "blobs/uploads/");
  url.searchParams.set("mount", push.descriptor.digest);
  url.searchParams.set("from", from);
  const scopes = [...scopesOf(push), `repository:${from}:pull`];
  try {
    const response = await push.client.send({ method: "POST", url, headers: {}, scopes }, push.signal);
    if (response.status !== 401 && response.status !== 403) return response;
    await response[Symbol.asyncDispose]();
  } catch (error) {
    if (!(error instanceof ContainerdError) || error.code !== "unauthenticated") throw error;
  }
  return undefined;
}

/** The repository with most leading path elements in common; the last of equals. */
function mountCandidate(push: Push): string | undefined {
  const own = referencePath(push.reference).split("/");
  let best: { readonly repository: string; readonly score: number } | undefined;
  for (const repository of push.mountFrom ?? []) {
    if (repository === own.join("/")) continue;
    const parts = repository.split("/");
    const differs = parts.findIndex((part, index) => part !== own[index]);
    const score = differs < 0 ? parts.length : differs;
    if (best === undefined || score >= best.score) best = { repository, score };
  }
  return best?.repository;
}

async function checkStored(response: HttpResponse, descriptor: Descriptor): Promise<void> {
  if (![200, 201, 202, 204].includes(response.status)) throw await unexpectedStatus(response, "PUT");
  const stored = response.headers.get("Docker-Content-Digest");
  if (stored === "" || stored === descriptor.digest) return;
  const why = `got digest ${stored}, expected ${descriptor.digest}`;
  throw new ContainerdError({ code: "failed_precondition", what: "the registry stored something else", why });
}

function send(push: Push, method: string, path: string, headers: Record<string, string>): Promise<HttpResponse> {
  const url = apiUrl(push.client, push.reference, path);
  return push.client.send({ method, url, headers, scopes: scopesOf(push) }, push.signal);
}

function scopesOf(push: Push): readonly string[] {
  return [repositoryScope(push.reference, "pull,push")];
}

function bodyOf(push: Push): RequestBody {
  return { length: push.descriptor.size, open: () => readFrom(push, 0n) };
}

/** The blob's bytes, told of as they are taken. */
async function* readFrom(push: Push, from: bigint): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = from;
  push.onSent?.(sent);
  for await (const chunk of push.source(from)) {
    yield chunk;
    sent += BigInt(chunk.byteLength);
    push.onSent?.(sent);
  }
}
