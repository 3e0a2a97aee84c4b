import { collectBytes, type Digest, forEachLimited, MAX_DOCUMENT_BYTES, type ReadDocument } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { textMethod } from "./text-method.ts";
import { WireCursor } from "./wire-cursor.ts";

/** Documents that are read side by side. */
const AT_ONCE = 32;

/** `RemoteContentStore.documents`, in a file of its own as it brings along what reads manifests. */
export async function remoteDocuments(
  client: Client,
  digests: readonly Digest[],
  settings: CallSettings,
): Promise<ReadonlyMap<Digest, ReadDocument>> {
  const found = new Map<Digest, ReadDocument>();
  const service = await client.service(wholeBlobs);
  await forEachLimited(digests, AT_ONCE, async (digest) => {
    const answers = service.read({ digest, offset: 0n, size: 0n }, client.callOptions(settings));
    found.set(digest, await collectBytes(dataOf(answers), MAX_DOCUMENT_BYTES).catch((fault: unknown) => ({ fault })));
  });
  return found;
}

interface WholeBlob {
  readonly digest: string;
  /** Not said where they are 0: from the beginning, to the end. */
  readonly offset: 0n;
  readonly size: 0n;
}

/** The content service, as far as it reads blobs from beginning to end. */
export const wholeBlobs = async () => {
  const texts = ({ digest }: WholeBlob) => [[0x0a, digest] as const];
  const read = textMethod("Read", { texts, read: readData, responseStream: true });
  return { name: "Content", fullName: "containerd.services.content.v1.Content", methods: { read } };
};

async function* dataOf(answers: AsyncIterable<{ readonly data: Uint8Array }>): AsyncIterable<Uint8Array> {
  for await (const { data } of answers) yield data;
}

function readData(bytes: Uint8Array): { readonly data: Uint8Array } {
  const cursor = new WireCursor(bytes);
  let data: Uint8Array = new Uint8Array(0);
  while (cursor.at < cursor.length) {
    const tag = cursor.varint();
    if (tag === 0x12) data = cursor.bytes();
    else cursor.skip(tag);
  }
  return { data };
}
