import { ContainerdError, contentV1 } from "@ctr/api";
import { type BlobWriter, type Digest, parseDigest } from "@ctr/oci";
import type { CallContext, DeepPartial } from "@ctr/rpc";
import type { EngineContent } from "../content/store.ts";

type Request = contentV1.WriteContentRequest;
type Response = DeepPartial<contentV1.WriteContentResponse>;

/** What the open writer of a stream is to become; later messages may say more than the first. */
interface Ingestion {
  readonly content: EngineContent;
  readonly ref: string;
  readonly writer: BlobWriter;
  total: bigint;
  expected: Digest | undefined;
}

/**
 * One Write stream: the first message names the ref and takes its lock until the stream ends; each message is answered
 * once, and a COMMIT ends it. An offset other than 0 must be the current one, 0 begins anew.
 */
export async function* contentWrite(
  content: EngineContent,
  requests: AsyncIterable<Request>,
  { signal }: CallContext,
): AsyncIterable<Response> {
  let ingestion: Ingestion | undefined;
  try {
    for await (const request of requests) {
      ingestion ??= await begin(content, request, signal);
      await learn(ingestion, request);
      yield await step(ingestion, request, signal);
      if (request.action === contentV1.WriteAction.COMMIT) return;
    }
  } finally {
    await ingestion?.writer[Symbol.asyncDispose]();
  }
}

async function begin(content: EngineContent, request: Request, signal: AbortSignal): Promise<Ingestion> {
  const { ref, total } = request;
  if (ref === "") throw new ContainerdError({ code: "invalid_argument", what: "first message must have a reference" });
  const expected = request.expected === "" ? undefined : parseDigest(request.expected);
  const known = expected === undefined ? {} : { expected };
  const writer = await content.writer(ref, { signal, size: total, ...known });
  return { content, ref, writer, total, expected };
}

/** Takes over a total or digest that a later message brings. */
async function learn(ingestion: Ingestion, request: Request): Promise<void> {
  if (request.total > 0n) {
    if (ingestion.total > 0n && request.total !== ingestion.total) {
      const what = `commit size "${request.total}" does not match expected size "${ingestion.total}"`;
      throw new ContainerdError({ code: "failed_precondition", what });
    }
    ingestion.total = request.total;
  }
  if (request.expected === "" || request.expected === ingestion.expected) return;
  if (ingestion.expected !== undefined) {
    const what = `commit digest "${request.expected}" does not match expected digest "${ingestion.expected}"`;
    throw new ContainerdError({ code: "failed_precondition", what });
  }
  ingestion.expected = parseDigest(request.expected);
  await refuseExisting(ingestion, ingestion.expected);
}

async function refuseExisting({ content, ref, writer }: Ingestion, expected: Digest): Promise<void> {
  if (!(await content.has(expected))) return;
  await writer[Symbol.asyncDispose]();
  await content.abort(ref);
  throw new ContainerdError({ code: "already_exists", what: `blob with expected digest ${expected} exists` });
}

async function step(ingestion: Ingestion, request: Request, signal: AbortSignal): Promise<Response> {
  const { content, ref, writer } = ingestion;
  switch (request.action) {
    case contentV1.WriteAction.STAT: {
      const { startedAt, updatedAt } = await content.status(ref);
      return { ...answer(ingestion, request), startedAt, updatedAt, total: ingestion.total };
    }
    case contentV1.WriteAction.WRITE:
    case contentV1.WriteAction.COMMIT: {
      await seek(writer, request, signal);
      if (request.data.byteLength > 0) await writer.write(request.data, { signal });
      if (request.action === contentV1.WriteAction.WRITE) return answer(ingestion, request);
      return { ...answer(ingestion, request), digest: await commit(ingestion, request, signal) };
    }
    default:
      throw new ContainerdError({ code: "invalid_argument", what: `unknown write action ${request.action}` });
  }
}

async function seek(writer: BlobWriter, request: Request, signal: AbortSignal): Promise<void> {
  if (request.offset === writer.offset) return;
  if (request.offset === 0n) return writer.truncate(0n, { signal });
  const what = `write @${request.offset} must occur at current offset ${writer.offset}`;
  throw new ContainerdError({ code: "out_of_range", what });
}

async function commit({ writer, total, expected }: Ingestion, request: Request, signal: AbortSignal): Promise<Digest> {
  const known = expected === undefined ? {} : { expected };
  return writer.commit({ size: total, labels: request.labels, ...known }, { signal });
}

function answer({ writer }: Ingestion, { action }: Request): Response {
  return { action, offset: writer.offset, digest: writer.digest ?? "" };
}
