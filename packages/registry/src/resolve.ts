import { ContainerdError } from "@ctr/api";
import {
  collectBytes,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  isSchema1Type,
  mediaTypes,
  openDigester,
  parseDigest,
  parseReference,
  type Reference,
  splitObject,
} from "@ctr/oci";
import { apiUrl, repositoryScope } from "./api-url.ts";
import type { HostClient } from "./host-client.ts";
import type { HttpResponse } from "./http/message.ts";
import type { Registry, Resolved } from "./resolver.ts";
import { unexpectedStatus } from "./status.ts";

/** Manifest types that are asked for, in containerd's order. */
export const MANIFEST_ACCEPT = [
  mediaTypes.dockerManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  "*/*",
].join(", ");

/** Largest manifest that is taken, in bytes; containerd's figure. */
export const MAX_MANIFEST_BYTES = 4 * 1048 * 1048;

/** A host's answer: found, known to be absent, or a failure that another host may make good. */
type Answer =
  | { readonly kind: "found"; readonly descriptor: Descriptor }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly error: unknown };

/** Asks each host in turn what the reference stands for. */
export async function resolveReference(registry: Registry, text: string, signal: AbortSignal): Promise<Resolved> {
  const reference = parseReference(text);
  const question = readObject(reference);
  const clients = await registry.clients(reference, question.digest === undefined ? ["pull", "resolve"] : ["pull"]);
  const paths = question.digest === undefined ? ["manifests"] : ["manifests", "blobs"];
  let failure: unknown;
  for (const path of paths) {
    for (const [index, client] of clients.entries()) {
      const hasNext = index < clients.length - 1;
      const answer = await ask(client, { reference, path, hasNext, ...question }, signal);
      if (answer.kind === "found") return { name: text, descriptor: answer.descriptor };
      if (answer.kind === "failed") failure ??= answer.error;
    }
    // A host that failed may have the manifest: blobs are only asked for when all said no.
    if (failure !== undefined) break;
  }
  throw (
    failure ??
    new ContainerdError({ code: "not_found", what: text, why: "not found", fix: "check the name and the tag" })
  );
}

interface Question {
  /** Tag or digest. */
  readonly object: string;
  readonly digest: Digest | undefined;
}

function readObject(reference: Reference): Question {
  if (reference.object === "") {
    const fix = "write it in full, as docker.io/library/alpine:latest";
    throw new ContainerdError({ code: "invalid_argument", what: "object required", fix });
  }
  const { tag, digest } = splitObject(reference.object);
  if (digest === "") return { object: tag, digest: undefined };
  const parsed = parseDigest(digest);
  return { object: parsed, digest: parsed };
}

interface Asked extends Question {
  readonly reference: Reference;
  readonly path: string;
  readonly hasNext: boolean;
}

async function ask(client: HostClient, asked: Asked, signal: AbortSignal): Promise<Answer> {
  try {
    await using head = await sendManifest(client, "HEAD", asked, signal);
    if (head.status === 404) return { kind: "absent" };
    // Some registries know no HEAD; a refused one has no body to say why.
    if (head.status === 405 || head.status === 403) return await askByGet(client, asked, signal);
    if (head.status > 299)
      return { kind: "failed", error: await denied(await unexpectedStatus(head, "HEAD"), head.status) };
    const descriptor = fromHeaders(head, asked);
    return descriptor === undefined ? await askByGet(client, asked, signal) : { kind: "found", descriptor };
  } catch (error) {
    signal.throwIfAborted();
    if (!asked.hasNext) throw pullDenied(error);
    return { kind: "failed", error: pullDenied(error) };
  }
}

async function askByGet(client: HostClient, asked: Asked, signal: AbortSignal): Promise<Answer> {
  await using response = await sendManifest(client, "GET", asked, signal);
  if (response.status === 404) return { kind: "absent" };
  if (response.status > 299)
    return { kind: "failed", error: await denied(await unexpectedStatus(response, "GET"), response.status) };
  const bytes = await collectBytes(response.body, MAX_MANIFEST_BYTES);
  const digester = openDigester(asked.digest === undefined ? "sha256" : digestAlgorithm(asked.digest));
  digester.update(bytes);
  const digest = digester.digest();
  checkDigest(response, { got: digest, wanted: asked.digest });
  return { kind: "found", descriptor: describe(response, { digest, size: BigInt(bytes.byteLength) }) };
}

function sendManifest(
  client: HostClient,
  method: "HEAD" | "GET",
  asked: Asked,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const { reference, path, object, hasNext } = asked;
  const url = apiUrl(client, reference, `${path}/${object}`);
  const scopes = [repositoryScope(reference, "pull")];
  return client.send({ method, url, headers: { Accept: MANIFEST_ACCEPT }, scopes, hasNext }, signal);
}

/** What HEAD says of it; `undefined` where it leaves out digest or size. */
function fromHeaders(response: HttpResponse, asked: Asked): Descriptor | undefined {
  const length = response.headers.get("Content-Length");
  const header = response.headers.get("Docker-Content-Digest");
  if (!/^\d+$/.test(length) || (length === "0" && asked.digest === undefined)) return undefined;
  if (asked.digest !== undefined) {
    if (header !== "") checkDigest(response, { got: parseDigest(header), wanted: asked.digest });
    return describe(response, { digest: asked.digest, size: BigInt(length) });
  }
  return header === "" ? undefined : describe(response, { digest: parseDigest(header), size: BigInt(length) });
}

function describe(response: HttpResponse, blob: { readonly digest: Digest; readonly size: bigint }): Descriptor {
  const mediaType = (response.headers.get("Content-Type").split(";", 1)[0] ?? "").trim();
  if (isSchema1Type(mediaType) || mediaType === "text/plain") throw schema1(blob.digest);
  if (blob.size > BigInt(MAX_MANIFEST_BYTES)) {
    const what = `rejecting ${blob.size} byte manifest`;
    throw new ContainerdError({ code: "not_found", what, where: { digest: blob.digest }, why: "not found" });
  }
  return { mediaType: mediaType === "" ? "application/octet-stream" : mediaType, ...blob };
}

function schema1(digest: Digest): ContainerdError {
  return new ContainerdError({
    code: "unimplemented",
    what: "cannot pull Docker schema 1 image",
    where: { digest },
    why: "media type is not supported since containerd 2.1",
    fix: "rebuild the image, or push it again with a tool of this decade",
  });
}

function checkDigest(
  response: HttpResponse,
  digests: { readonly got: Digest; readonly wanted: Digest | undefined },
): void {
  const header = response.headers.get("Docker-Content-Digest");
  const sameAlgorithm = header.startsWith(`${digestAlgorithm(digests.got)}:`);
  const wanted = digests.wanted ?? (sameAlgorithm ? parseDigest(header) : digests.got);
  if (digests.got === wanted) return;
  throw new ContainerdError({
    code: "failed_precondition",
    what: "the registry sent another manifest",
    where: { host: response.url.host },
    why: `got ${digests.got}, expected ${wanted}`,
  });
}

function denied(error: ContainerdError, status: number): ContainerdError {
  return status === 401 ? pullDenied(error) : error;
}

/** Says what a refused token means; other errors pass. */
function pullDenied(error: unknown): ContainerdError {
  if (!(error instanceof ContainerdError)) {
    return new ContainerdError({ code: "internal", what: "cannot resolve", why: String(error), cause: error });
  }
  if (error.code !== "unauthenticated") return error;
  return new ContainerdError({
    code: error.code,
    what: "pull access denied, repository does not exist or may require authorization",
    why: error.message,
    fix: error.fix ?? "log in with --user name:password",
    cause: error,
  });
}
