import { ContainerdError } from "@ctr/api";
import {
  type Cancel,
  collectBytes,
  type Descriptor,
  type Digest,
  digestOf,
  mediaTypes,
  parseIndex,
  type Reference,
} from "@ctr/oci";
import { apiUrl, repositoryScope } from "./api-url.ts";
import type { HostClient } from "./host-client.ts";
import { type HttpResponse, originOf } from "./http/message.ts";
import { MAX_MANIFEST_BYTES } from "./resolve.ts";
import type { Registry } from "./resolver.ts";
import { unexpectedStatus } from "./status.ts";

export interface ReferrersOptions extends Cancel {
  /** Only manifests of this type: a signature's, an attestation's. Default all. */
  readonly artifactType?: string;
}

interface Question {
  readonly client: HostClient;
  readonly reference: Reference;
  readonly digest: Digest;
  readonly options: ReferrersOptions;
}

/** Pages of one list that are read. */
const MAX_PAGES = 100;

/**
 * Manifests whose `subject` is the digest, by the first host that answers: its referrers API, else the tag that
 * clients keep for registries without one. None is an empty list. OCI distribution 1.1, "Listing Referrers".
 */
export async function listReferrers(
  registry: Registry,
  { reference, digest }: { readonly reference: Reference; readonly digest: Digest },
  options: ReferrersOptions,
): Promise<readonly Descriptor[]> {
  let failure: unknown;
  for (const client of await registry.clients(reference, ["referrers"])) {
    try {
      const found = await ask({ client, reference, digest, options });
      const { artifactType } = options;
      // A registry says whether it has filtered; filtering twice does no harm.
      return artifactType === undefined ? found : found.filter((one) => one.artifactType === artifactType);
    } catch (error) {
      options.signal.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

async function ask(question: Question): Promise<readonly Descriptor[]> {
  const { client, reference, digest, options } = question;
  const first = apiUrl(client, reference, `referrers/${digest}`);
  if (options.artifactType !== undefined) first.searchParams.set("artifactType", options.artifactType);
  const found: Descriptor[] = [];
  let next: URL | undefined = first;
  for (let pages = 0; next !== undefined && pages < MAX_PAGES; pages++) {
    await using response = await get(question, next);
    if (response.status === 404 && pages === 0) return askByTag(question);
    found.push(...(await readIndex(response)));
    next = nextPage(response);
  }
  return found;
}

/** `sha256:0123…` is kept under the tag `sha256-0123…`. */
async function askByTag(question: Question): Promise<readonly Descriptor[]> {
  const { client, reference, digest } = question;
  const tag = digest.replace(":", "-").slice(0, 128);
  await using response = await get(question, apiUrl(client, reference, `manifests/${tag}`));
  return response.status === 404 ? [] : readIndex(response);
}

function get({ client, reference, options }: Question, url: URL): Promise<HttpResponse> {
  const headers = { Accept: mediaTypes.ociIndex };
  const scopes = [repositoryScope(reference, "pull")];
  return client.send({ method: "GET", url, headers, scopes }, options.signal);
}

async function readIndex(response: HttpResponse): Promise<readonly Descriptor[]> {
  if (response.status !== 200) throw await unexpectedStatus(response, "GET");
  const mediaType = (response.headers.get("Content-Type").split(";", 1)[0] ?? "").trim();
  if (mediaType !== mediaTypes.ociIndex) {
    const why = `got ${JSON.stringify(mediaType)}, expected ${mediaTypes.ociIndex}`;
    throw new ContainerdError({ code: "failed_precondition", what: "cannot read referrers", why });
  }
  const bytes = await collectBytes(response.body, MAX_MANIFEST_BYTES);
  // A list that is made for the question has no digest that anyone could know: the media type is what is checked.
  return parseIndex(bytes, { mediaType, digest: digestOf(bytes), size: BigInt(bytes.byteLength) }).manifests;
}

/** The page a Link names, on the same origin. RFC 8288. */
function nextPage(response: HttpResponse): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(response.headers.get("Link"))?.[1];
  if (target === undefined || !URL.canParse(target, response.url.href)) return undefined;
  const url = new URL(target, response.url);
  return originOf(url) === originOf(response.url) ? url : undefined;
}
