import { contentV1, errorFromStatus, hasCode, namespacesV1 } from "@ctr/api";
import { type Channel, connectH2c, createClient } from "@ctr/rpc";

/**
 * Writes blobs to a containerd over one connection and has it check their digests on commit.
 *
 *     bun e2e/rpc/stress.ts SOCKET [MEGABYTES]      (or bundled, on Node)
 *
 * MEGABYTES, 500 unless given, is the total. Eight streams run at once; they take turns through the message sizes. Prints one
 * line with the throughput; exits 1 on any error, a stall included: the client's own watchdog makes that one.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const MESSAGE_BYTES: readonly number[] = [4 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
const STREAMS = 8;
const NAMESPACE = "rpc-stress";
const { signal } = new AbortController();
const metadata = { "containerd-namespace": NAMESPACE };

/** One blob to write: every stream of the run has its own, so that no two have one digest. */
interface Job {
  readonly ref: string;
  readonly messageBytes: number;
  readonly blob: Uint8Array;
  readonly digest: string;
}

async function main(address: string, megabytes: number): Promise<void> {
  await using channel = await connectH2c({ path: address, signal, errorFrom: errorFromStatus, watchdogMs: 10_000 });
  await createNamespace(channel);
  const jobs = await makeJobs(megabytes * MIB);
  const before = performance.now();
  await Promise.all(Array.from({ length: STREAMS }, (_, lane) => runLane(channel, jobs, lane)));
  const seconds = (performance.now() - before) / 1000;
  const total = jobs.reduce((sum, job) => sum + job.blob.byteLength, 0) / MIB;
  const runtime = typeof Bun === "undefined" ? `node ${process.version}` : `bun ${Bun.version}`;
  console.log(
    `${runtime}: ${total.toFixed(0)} MiB in ${jobs.length} blobs, ${STREAMS} streams, ` +
      `${seconds.toFixed(2)} s, ${(total / seconds).toFixed(0)} MiB/s`,
  );
  for (const job of jobs) await removeBlob(channel, job);
}

/** As many blobs as there are pairs of a lane and a message size. */
async function makeJobs(totalBytes: number): Promise<readonly Job[]> {
  const blobBytes = Math.ceil(totalBytes / (STREAMS * MESSAGE_BYTES.length));
  const run = crypto.randomUUID();
  const jobs: Job[] = [];
  for (let i = 0; i < STREAMS * MESSAGE_BYTES.length; i++) {
    const blob = randomBytes(blobBytes);
    const messageBytes = MESSAGE_BYTES[i % MESSAGE_BYTES.length] ?? MIB;
    jobs.push({ ref: `stress-${run}-${i}`, messageBytes, blob, digest: await sha256(blob) });
  }
  return jobs;
}

async function runLane(channel: Channel, jobs: readonly Job[], lane: number): Promise<void> {
  for (let i = lane; i < jobs.length; i += STREAMS) {
    const job = jobs[i];
    if (job) await writeBlob(channel, job);
  }
}

async function writeBlob(channel: Channel, job: Job): Promise<void> {
  const content = createClient(contentV1.ContentDefinition, channel);
  let last: contentV1.WriteContentResponse | undefined;
  for await (const response of content.write(requests(job), { signal, metadata })) last = response;
  if (last?.digest !== job.digest || last.offset !== BigInt(job.blob.byteLength)) {
    throw new Error(`${job.ref}: committed ${last?.digest} at ${last?.offset}, expected ${job.digest}`);
  }
}

async function* requests({
  ref,
  blob,
  digest,
  messageBytes,
}: Job): AsyncIterable<Partial<contentV1.WriteContentRequest>> {
  const total = BigInt(blob.byteLength);
  for (let at = 0; at < blob.byteLength; at += messageBytes) {
    const data = blob.subarray(at, at + messageBytes);
    yield { action: contentV1.WriteAction.WRITE, ref, offset: BigInt(at), data };
  }
  yield { action: contentV1.WriteAction.COMMIT, ref, offset: total, total, expected: digest };
}

async function createNamespace(channel: Channel): Promise<void> {
  const namespaces = createClient(namespacesV1.NamespacesDefinition, channel);
  try {
    await namespaces.create({ namespace: { name: NAMESPACE } }, { signal, metadata });
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
}

async function removeBlob(channel: Channel, { digest }: Job): Promise<void> {
  try {
    await createClient(contentV1.ContentDefinition, channel).delete({ digest }, { signal, metadata });
  } catch (error) {
    // Nothing refers to these blobs, so the daemon's garbage collector may be first.
    if (!hasCode(error, "not_found")) throw error;
  }
}

/** Random enough that no two blobs agree; getRandomValues takes 64 KiB at most. */
function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  const seed = crypto.getRandomValues(new Uint8Array(64 * KIB));
  for (let at = 0; at < size; at += seed.byteLength) {
    bytes.set(seed.subarray(0, Math.min(seed.byteLength, size - at)), at);
    new DataView(bytes.buffer).setUint32(at, at);
  }
  return bytes;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

const [address, megabytes = "500"] = process.argv.slice(2);
if (address === undefined) {
  console.error("usage: stress SOCKET [MEGABYTES]");
  process.exitCode = 1;
} else {
  main(address, Number(megabytes)).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
