import { ContainerdError } from "@ctr/api";
import type { Descriptor, Digest, Reference } from "@ctr/oci";
import { apiUrl, repositoryScope } from "./api-url.ts";
import type { HostClient } from "./host-client.ts";
import type { HttpResponse } from "./http/message.ts";
import type { Registry } from "./resolver.ts";
import { unexpectedStatus } from "./status.ts";

export interface DescribeOptions {
  readonly signal: AbortSignal;
  /** What to ask for; anything without it. */
  readonly mediaType?: string;
}

/** What a repository has under a digest, blobs before manifests. `not_found` when no host has it. */
export async function describeBlob(
  registry: Registry,
  { reference, digest }: { readonly reference: Reference; readonly digest: Digest },
  options: DescribeOptions,
): Promise<Descriptor> {
  const clients = await registry.clients(reference, ["pull"]);
  let failure: unknown;
  for (const path of [`blobs/${digest}`, `manifests/${digest}`]) {
    for (const [index, client] of clients.entries()) {
      try {
        await using head = await sendHead(client, { reference, path, hasNext: index < clients.length - 1 }, options);
        if (head.status === 404) continue;
        if (head.status > 299) throw await unexpectedStatus(head, "HEAD");
        return descriptorOf(head, digest, options.mediaType ?? "");
      } catch (error) {
        options.signal.throwIfAborted();
        failure ??= error;
      }
    }
  }
  throw failure ?? new ContainerdError({ code: "not_found", what: digest, why: "not found" });
}

interface Head {
  readonly reference: Reference;
  readonly path: string;
  readonly hasNext: boolean;
}

function sendHead(client: HostClient, head: Head, { mediaType = "", signal }: DescribeOptions): Promise<HttpResponse> {
  const { reference, path, hasNext } = head;
  const url = apiUrl(client, reference, path);
  const headers = { Accept: mediaType === "" ? "*/*" : `${mediaType}, */*`, "Accept-Encoding": "identity" };
  return client.send({ method: "HEAD", url, headers, scopes: [repositoryScope(reference, "pull")], hasNext }, signal);
}

function descriptorOf(head: HttpResponse, digest: Digest, wanted: string): Descriptor {
  const length = head.headers.get("Content-Length");
  const mediaType = wanted || (head.headers.get("Content-Type").split(";", 1)[0] ?? "").trim();
  if (/^\d+$/.test(length)) return { mediaType, digest, size: BigInt(length) };
  const why = "the registry does not say how large it is";
  throw new ContainerdError({ code: "unavailable", what: "cannot fetch blob", where: { digest }, why });
}
