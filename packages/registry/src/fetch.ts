import { ContainerdError, hasCode } from "@ctr/api";
import { type Descriptor, isIndexType, isManifestType, type Reference } from "@ctr/oci";
import { apiUrl, repositoryScope } from "./api-url.ts";
import type { HostClient } from "./host-client.ts";
import type { HttpResponse } from "./http/message.ts";
import { MAX_MANIFEST_BYTES } from "./resolve.ts";
import type { Registry } from "./resolver.ts";
import { resumeReadAfter } from "./retry.ts";
import { unexpectedStatus } from "./status.ts";

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** Bytes already there; 0 when left out. */
  readonly offset?: bigint;
}

export interface FetchTarget {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/**
 * Bytes of a manifest or blob from `offset` to its end. A broken connection is resumed where it stopped, by Range, on
 * the same or the next host. Throws `data_loss` when there are more or fewer bytes than the descriptor says; the
 * digest is the store's to check.
 */
export async function* fetchBlob(
  registry: Registry,
  target: FetchTarget,
  options: FetchOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { descriptor } = target;
  checkManifestSize(descriptor);
  let offset = options.offset ?? 0n;
  let stalled = 0;
  let answered = false;
  while (offset < descriptor.size) {
    try {
      await using response = await openAt(registry, target, { offset, signal: options.signal });
      answered = true;
      for await (const chunk of clipped(response, descriptor, offset)) {
        offset += BigInt(chunk.byteLength);
        stalled = 0;
        yield chunk;
      }
      if (offset < descriptor.size) throw shortBody(descriptor, offset);
    } catch (error) {
      options.signal.throwIfAborted();
      // No answer yet: the request layer has tried what it can.
      if (!answered) throw error;
      const waitMs = resumeReadAfter(error, ++stalled);
      if (waitMs === undefined) throw endedEarly(error, descriptor, offset);
      await registry.clock.sleep(waitMs, options.signal);
    }
  }
}

function checkManifestSize(descriptor: Descriptor): void {
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return;
  if (descriptor.size <= BigInt(MAX_MANIFEST_BYTES)) return;
  const why = `it is ${descriptor.size} bytes, at most ${MAX_MANIFEST_BYTES} are taken`;
  throw new ContainerdError({
    code: "resource_exhausted",
    what: "cannot fetch manifest",
    where: { digest: descriptor.digest },
    why,
  });
}

/** Fails on bytes past the end the descriptor names. */
async function* clipped(
  response: HttpResponse,
  descriptor: Descriptor,
  from: bigint,
): AsyncGenerator<Uint8Array, void, undefined> {
  let end = from;
  for await (const chunk of response.body) {
    end += BigInt(chunk.byteLength);
    if (end > descriptor.size) {
      const why = `the registry sends more than the ${descriptor.size} bytes expected${encodingOf(response)}`;
      throw new ContainerdError({
        code: "failed_precondition",
        what: "cannot fetch blob",
        where: { digest: descriptor.digest },
        why,
      });
    }
    yield chunk;
  }
}

/** A server that encodes what was asked for as it is; one that only says so does no harm. */
function encodingOf(response: HttpResponse): string {
  const encoding = response.headers.get("Content-Encoding").replace(/[^\w-]/g, "");
  return encoding === "" || encoding === "identity" ? "" : `, with Content-Encoding ${encoding}`;
}

function shortBody(descriptor: Descriptor, offset: bigint): ContainerdError {
  const why = `got ${offset} bytes, expected ${descriptor.size}`;
  return new ContainerdError({
    code: "data_loss",
    what: "cannot fetch blob",
    where: { digest: descriptor.digest },
    why,
  });
}

/** What is told once a read has been resumed in vain; errors that no try could mend pass. */
function endedEarly(error: unknown, descriptor: Descriptor, offset: bigint): unknown {
  if (!hasCode(error, "unavailable", "deadline_exceeded", "data_loss")) return error;
  const last = error.why === "" ? error.what : error.why;
  return new ContainerdError({
    code: error.code,
    what: "cannot fetch blob",
    where: { digest: descriptor.digest },
    why: `the connection ended after ${offset} of ${descriptor.size} bytes, however often it was resumed: ${last}`,
    fix: "pull again: what has arrived is kept and not fetched twice",
    cause: error,
  });
}

interface From {
  readonly offset: bigint;
  readonly signal: AbortSignal;
}

/** Opens the blob at `offset` on the first host that has it: the descriptor's own URLs, then the registry's hosts. */
async function openAt(registry: Registry, target: FetchTarget, from: From): Promise<HttpResponse> {
  for (const url of target.descriptor.urls ?? []) {
    const response = await openForeign(registry, url, { target, from });
    if (response !== undefined) return response;
  }
  const clients = await registry.clients(target.reference, ["pull"]);
  let failure: unknown;
  for (const [index, client] of clients.entries()) {
    const hasNext = index < clients.length - 1;
    try {
      return await openOn(client, target, { ...from, hasNext });
    } catch (error) {
      from.signal.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

async function openOn(
  client: HostClient,
  target: FetchTarget,
  from: From & { readonly hasNext: boolean },
): Promise<HttpResponse> {
  const { descriptor, reference } = target;
  const isManifest = isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType);
  const url = apiUrl(client, reference, `${isManifest ? "manifests" : "blobs"}/${descriptor.digest}`);
  const scopes = [repositoryScope(reference, "pull")];
  const ask = (offset: bigint) => {
    const headers = fetchHeaders(descriptor, offset);
    return client.send({ method: "GET", url, headers, scopes, hasNext: from.hasNext }, from.signal);
  };
  const response = await ask(from.offset);
  if (response.status !== 416 || from.offset === 0n) return positioned(response, descriptor, from.offset);
  // Some servers refuse ranges that they could serve: the whole blob is had from them.
  await response[Symbol.asyncDispose]();
  return positioned(await ask(0n), descriptor, from.offset);
}

function fetchHeaders(descriptor: Descriptor, offset: bigint): Record<string, string> {
  // identity: a blob's digest is of its bytes as stored, so an encoding on the way would only have to be undone.
  const headers = { Accept: `${descriptor.mediaType}, */*`, "Accept-Encoding": "identity" };
  return offset > 0n ? { ...headers, Range: `bytes=${offset}-` } : headers;
}

/** A foreign layer's URL: http or https, without anyone's credentials (R1); `undefined` when it does not deliver. */
async function openForeign(
  registry: Registry,
  text: string,
  what: { readonly target: FetchTarget; readonly from: From },
): Promise<HttpResponse | undefined> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) return undefined;
  url.username = "";
  url.password = "";
  const { descriptor } = what.target;
  const headers = { "User-Agent": registry.userAgent, ...fetchHeaders(descriptor, what.from.offset) };
  try {
    const response = await registry.foreign.send({ method: "GET", url, headers }, { signal: what.from.signal });
    return await positioned(response, descriptor, what.from.offset);
  } catch (error) {
    what.from.signal.throwIfAborted();
    // The registry is asked next, and its answer is the one that is told.
    if (error instanceof ContainerdError) return undefined;
    throw error;
  }
}

/** Checks status and range; a server that knows no Range has its first bytes thrown away. */
async function positioned(response: HttpResponse, descriptor: Descriptor, offset: bigint): Promise<HttpResponse> {
  if (response.status === 404) {
    await response[Symbol.asyncDispose]();
    const what = `could not fetch content descriptor ${descriptor.digest} (${descriptor.mediaType}) from remote`;
    throw new ContainerdError({ code: "not_found", what, why: "not found" });
  }
  if (response.status !== 200 && response.status !== 206) throw await unexpectedStatus(response, "GET");
  const range = response.headers.get("Content-Range");
  if (response.status === 206 && !range.startsWith(`bytes ${offset}-`)) {
    await response[Symbol.asyncDispose]();
    const why = `unhandled content range in response: ${range}`;
    throw new ContainerdError({
      code: "unavailable",
      what: "cannot resume blob",
      where: { digest: descriptor.digest },
      why,
    });
  }
  if (response.status === 206 || offset === 0n) return response;
  return {
    ...response,
    body: skipBytes(response.body, offset),
    [Symbol.asyncDispose]: () => response[Symbol.asyncDispose](),
  };
}

async function* skipBytes(body: AsyncIterable<Uint8Array>, count: bigint): AsyncGenerator<Uint8Array, void, undefined> {
  let left = count;
  for await (const chunk of body) {
    const skipped = left < BigInt(chunk.byteLength) ? Number(left) : chunk.byteLength;
    left -= BigInt(skipped);
    if (skipped < chunk.byteLength) yield chunk.subarray(skipped);
  }
}
