import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { type ContentInfo, type Digest, digestAlgorithm, openDigester, parseDigest, parseReference } from "@ctr/oci";
import type { Resolver } from "@ctr/registry";
import { defineCommand } from "../../command.ts";
import { loadDatabaseRepair, openRepair } from "../../connect.ts";
import { ExitError, messageOf } from "../../errors.ts";
import { resolverOf } from "../../registry-options.ts";
import type { verify } from "../../table/content.ts";

/** Label that tells on which registry a blob was seen, by host; the value is a comma-separated list of repositories. */
const SOURCE_LABEL = "containerd.io/distribution.source.";
/** Without the media type a blob's own endpoint is asked, then the manifests'. */
const MEDIA_TYPES = ["application/octet-stream", "application/vnd.oci.image.manifest.v1+json"];

type Context = Parameters<ReturnType<typeof defineCommand<typeof verify>>["run"]>[0];

/** `ctr content verify [DIGEST…]`: reads every blob and compares its digest; `--repair` fetches the damaged ones anew. */
export const verifyCommand = defineCommand<typeof verify>({
  async run(context) {
    const { args, flags, globals, stdout, connect, signal } = context;
    const wanted = args.map(parseDigest);
    await checkDatabase(context);
    const repair = flags.repair ? await openRepair(globals) : undefined;
    await using _repair = repair;
    const resolver = flags.repair ? await resolverOf(flags, context) : undefined;
    const client = await connect();
    const repositories = repair === undefined ? [] : await imageRepositories(client, signal);
    let checked = 0;
    let left = 0;
    for await (const info of blobsOf(client, wanted, signal)) {
      checked += 1;
      const fault = await faultOf(client, info, signal);
      if (fault === undefined) continue;
      await stdout.write(`${info.digest}: ${fault}\n`);
      if (repair === undefined || resolver === undefined) {
        left += 1;
        continue;
      }
      const outcome = await repairBlob(resolver, info, {
        sources: sourcesOf(info, repositories),
        replace: (digest, chunks) => repair.replaceBlob(digest, chunks, { signal }),
        signal,
      });
      if (outcome.kind === "failed") left += 1;
      await stdout.write(
        `${info.digest}: ${outcome.kind === "failed" ? "not repaired: " : "repaired from "}${outcome.text}\n`,
      );
    }
    await stdout.write(`${checked} blobs checked, ${left} damaged\n`);
    if (left > 0) throw new ExitError(damagedHint(flags.repair), 1);
  },
});

/** Nothing can be said of blobs while the database that lists them is damaged. */
async function checkDatabase({ flags, globals, stdout }: Context): Promise<void> {
  const repair = await loadDatabaseRepair(globals);
  const diagnosis = repair?.diagnose();
  if (repair === undefined || diagnosis === undefined || diagnosis.faults.length === 0) return;
  const { path, faults, strayBlobs, straySnapshots } = diagnosis;
  for (const fault of faults) await stdout.write(`${path}: ${fault}\n`);
  await stdout.write(
    `${strayBlobs.length} blobs and ${straySnapshots.length} snapshots are on disk without a readable row\n`,
  );
  if (!flags.repair) throw new ExitError(`ctr: ${path} is damaged\nhint: save what can be read with --repair`, 1);
  const { rows, blobs, tasks, containers, snapshots, lost, aside } = await repair.rebuild();
  const found = `${blobs} blobs, ${tasks} tasks, ${containers} containers and ${snapshots} snapshots`;
  await stdout.write(`${path}: rebuilt from ${rows} rows, ${found}; the old file is ${aside}\n`);
  if (lost > 0) await stdout.write(`${lost} snapshots are lost; their images are unpacked anew when they are run\n`);
}

function damagedHint(repaired: boolean): string {
  return repaired
    ? "ctr: some blobs could not be repaired\nhint: pull or import their images again after removing them"
    : "ctr: some blobs are damaged\nhint: fetch them again with --repair";
}

async function* blobsOf(client: Client, wanted: readonly Digest[], signal: AbortSignal): AsyncIterable<ContentInfo> {
  if (wanted.length === 0) yield* client.content.walk([], { signal });
  for (const digest of wanted) yield await client.content.info(digest, { signal });
}

/** What is wrong with the bytes of a blob; undefined when nothing is. */
async function faultOf(
  client: Client,
  { digest, size }: ContentInfo,
  signal: AbortSignal,
): Promise<string | undefined> {
  const digester = openDigester(digestAlgorithm(digest));
  try {
    await using blob = await client.content.readerAt(digest, { signal });
    for await (const chunk of blob.stream({ offset: 0n, length: 0n }, { signal })) digester.update(chunk);
    if (blob.size !== size) return `damaged: it has ${blob.size} bytes, ${size} are recorded`;
  } catch (error) {
    if (hasCode(error, "data_loss", "out_of_range")) return `damaged: ${messageOf(error)}`;
    throw error;
  }
  const found = digester.digest();
  return found === digest ? undefined : `damaged: its bytes have the digest ${found}`;
}

type Replace = (digest: Digest, chunks: AsyncIterable<Uint8Array>) => Promise<void>;
type Outcome = { readonly kind: "repaired" | "failed"; readonly text: string };

/** Asks every one of `sources` until one has it. */
async function repairBlob(
  resolver: Resolver,
  { digest, size }: ContentInfo,
  {
    sources,
    replace,
    signal,
  }: { readonly sources: readonly string[]; readonly replace: Replace; readonly signal: AbortSignal },
): Promise<Outcome> {
  let why = "no registry is known to have it";
  for (const source of sources) {
    for (const mediaType of MEDIA_TYPES) {
      const chunks = resolver.fetcher(`${source}@${digest}`).fetch({ mediaType, digest, size }, { signal });
      try {
        await replace(digest, chunks);
        return { kind: "repaired", text: source };
      } catch (error) {
        signal.throwIfAborted();
        why = messageOf(error);
      }
    }
  }
  return { kind: "failed", text: why };
}

/** `host[:port]/repository` of every image there is. */
async function imageRepositories(client: Client, signal: AbortSignal): Promise<readonly string[]> {
  const names = (await client.images.list([], { signal })).map(({ name }) => name);
  return [...new Set(names.flatMap((name) => locatorOf(name) ?? []))];
}

/** Any text may name an image; only a reference says where it is from. */
function locatorOf(name: string): string | undefined {
  try {
    return parseReference(name).locator;
  } catch (error) {
    if (hasCode(error, "invalid_argument")) return undefined;
    throw error;
  }
}

/** Where a blob may be had: what its labels say; they leave the port out, so an image from there comes first. */
function sourcesOf({ labels }: ContentInfo, repositories: readonly string[]): readonly string[] {
  const labelled = Object.entries(labels)
    .filter(([key]) => key.startsWith(SOURCE_LABEL))
    .flatMap(([key, value]) => value.split(",").map((repository) => `${key.slice(SOURCE_LABEL.length)}/${repository}`));
  const withPort = repositories.filter((locator) => labelled.includes(locator.replace(/:\d+\//, "/")));
  return [...new Set([...withPort, ...labelled])];
}
