import { afterAll, beforeAll, describe } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ContainerdError,
  classWords,
  contentV1,
  errorFromStatus,
  LEASE_HEADER,
  MAX_MESSAGE_BYTES,
  NAMESPACE_HEADER,
  services,
} from "@ctr/api";
import { openEngine } from "@ctr/engine";
import { type CallOptions, type Channel, connectH2c, createClient, type ServiceDefinition } from "@ctr/rpc";
import { startContainerd } from "../support/containerd.ts";
import { proxyConfig, startServe } from "../support/engine.ts";

/** What a suite runs on. What containerd answers is the expected result. */
export interface Subject {
  readonly name: string;
  /** The containerd whose facts hold: 1.6 is Debian's daemon, 2.4 what the engine is modelled on. */
  readonly api: "1.6" | "2.4";
  /** What it calls the two snapshotters, where those are another daemon's. */
  readonly snapshotters?: { readonly overlayfs: string; readonly native: string };
  open(): Promise<OpenSubject>;
}

export interface OpenSubject extends AsyncDisposable {
  readonly channel: Channel;
}

const containerd: Subject = {
  name: "containerd 1.6",
  api: "1.6",
  async open() {
    const stack = new AsyncDisposableStack();
    const daemon = stack.use(await startContainerd());
    const { signal } = new AbortController();
    const channel = stack.use(await connectH2c({ path: daemon.address, signal, errorFrom: errorFromStatus }));
    return { channel, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  },
};

const inProcess: Subject = {
  name: "the engine in process",
  api: "2.4",
  async open() {
    const stack = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), "ctr-contract-"));
    stack.defer(() => rm(dir, { recursive: true, force: true }));
    const engine = stack.use(openEngine({ root: join(dir, "root"), stateParent: join(dir, "run") }));
    return { channel: engine.channel, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  },
};

const served: Subject = {
  name: "ctr serve",
  api: "2.4",
  async open() {
    const stack = new AsyncDisposableStack();
    const daemon = stack.use(await startServe());
    const { signal } = new AbortController();
    const channel = stack.use(await connectH2c({ path: daemon.address, signal, errorFrom: errorFromStatus }));
    return { channel, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  },
};

/** The engine in process, with the snapshotters of a containerd beside its own. */
const proxied: Subject = {
  ...inProcess,
  name: "the engine over containerd's snapshotters",
  snapshotters: { overlayfs: "far-overlayfs", native: "far-native" },
  async open() {
    const stack = new AsyncDisposableStack();
    const daemon = stack.use(await startContainerd());
    const dir = await mkdtemp(join(tmpdir(), "ctr-contract-"));
    stack.defer(() => rm(dir, { recursive: true, force: true }));
    const engine = stack.use(openEngine({ root: join(dir, "root"), stateParent: join(dir, "run") }));
    await writeFile(join(dir, "root/config.toml"), proxyConfig(daemon.address, ["overlayfs", "native"]));
    return { channel: engine.channel, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  },
};

export const subjects: readonly Subject[] = [containerd, inProcess, served];

/** Those of suites about services that containerd 1.6 lacks. */
export const engineSubjects: readonly Subject[] = [inProcess, served];

/** Those of the suite about snapshotters. */
export const snapshotterSubjects: readonly Subject[] = [...subjects, proxied];

/** What a test of one subject calls. */
export interface Stage {
  readonly subject: Subject;
  readonly channel: Channel;
  /** A namespace nobody else uses. */
  newNamespace(): string;
}

/** Runs one suite on every subject. */
export function describeContract(title: string, suite: (stage: Stage) => void, on = subjects): void {
  for (const subject of on) {
    describe(`${title}: ${subject.name}`, () => {
      let open: OpenSubject | undefined;
      let count = 0;
      beforeAll(async () => {
        open = await subject.open();
      }, 30_000);
      afterAll(() => open?.[Symbol.asyncDispose](), 30_000);
      suite({
        subject,
        get channel() {
          if (open === undefined) throw new Error("the subject is not open yet");
          return open.channel;
        },
        newNamespace: () => `contract-${process.pid}-${++count}`,
      });
    });
  }
}

/** Headers of a call in `namespace`, under `lease` if one is named. */
export function inNamespace(namespace: string, lease?: string): CallOptions {
  const under = lease === undefined ? {} : { [LEASE_HEADER]: lease };
  return { signal: AbortSignal.timeout(20_000), metadata: { [NAMESPACE_HEADER]: namespace, ...under } };
}

/** Headers of calls in a namespace of their own, under a lease: without one a collection may take what they make. */
export async function underLease(stage: Stage, { leases }: Clients): Promise<CallOptions> {
  const namespace = stage.newNamespace();
  await leases.create({ id: "keep" }, inNamespace(namespace));
  return inNamespace(namespace, "keep");
}

/** A call that names no namespace. */
export function anywhere(): CallOptions {
  return { signal: AbortSignal.timeout(20_000) };
}

/** Typed calls of every service a contract is about. */
export async function clientsOf(channel: Channel) {
  const client = async <S extends ServiceDefinition>(load: () => Promise<S>) => createClient(await load(), channel);
  return {
    containers: await client(services.containers),
    content: await client(services.content),
    events: await client(services.events),
    images: await client(services.images),
    introspection: await client(services.introspection),
    leases: await client(services.leases),
    mounts: await client(services.mounts),
    namespaces: await client(services.namespaces),
    snapshots: await client(services.snapshots),
  };
}

export type Clients = Awaited<ReturnType<typeof clientsOf>>;

/** Messages that containerd writes as a status of their own, without class words. */
const WORDLESS = new RegExp(
  [
    /^(?:Container\.ID|Image\.Name) required$/,
    /^cannot update "\w+" field$/,
    /^invalid checksum digest format$/,
    /^first message must have a reference$/,
    /^exec id cannot be empty$/,
    /^"\S*" failed validation$/,
    /^read past object length \d+ bytes$/,
    /^write @\d+ must occur at current offset \d+$/,
    /^snapshotter (?:argument missing|not loaded: \w+)$/,
    /^unknown service$|^unknown (?:service|method) [\w.]+/,
  ]
    .map(({ source }) => source)
    .join("|"),
);

/** The code a call fails with, `ok` if it does not. A message must end in the words Go clients look for. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    if (!(error instanceof ContainerdError)) throw error;
    if (!error.message.endsWith(classWords[error.code]) && !WORDLESS.test(error.message))
      throw new Error(`no class words: ${error.message}`);
    return error.code;
  }
}

/** A blob of `text` in a namespace, with labels; its digest. */
export async function writeBlob(
  { content }: Clients,
  text: string,
  options: CallOptions,
  labels: Readonly<Record<string, string>> = {},
): Promise<string> {
  const data = new TextEncoder().encode(text);
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(data).digest("hex")}`;
  const requests = async function* () {
    yield {
      action: contentV1.WriteAction.COMMIT,
      ref: `ref-${digest}`,
      total: BigInt(data.byteLength),
      expected: digest,
      data,
      labels,
    };
  };
  if (data.byteLength > MAX_MESSAGE_BYTES) throw new Error("too large for one message");
  for await (const _response of content.write(requests(), options));
  return digest;
}

/** Everything a server stream sends. */
export async function gather<T>(messages: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}
