import {
  loadAnyCodecs,
  loadTransferRegistry,
  type protobufAny,
  services,
  type transferImageStore,
  type transferProgress,
} from "@ctr/api";
import type { Descriptor, Labels, Platform } from "@ctr/oci";
import type { Client } from "./client.ts";
import { type CallSettings, signalOf } from "./settings.ts";
import { type DaemonStream, receiveBytes, sendBytes } from "./streams.ts";
import { descriptorFromWire } from "./wire.ts";

/** What the daemon tells while it transfers. `name` is "" for the whole. Engine reference: Transfer, progress. */
export interface TransferProgress {
  readonly event: string;
  readonly name: string;
  readonly parents: readonly string[];
  readonly progress: bigint;
  readonly total: bigint;
  readonly descriptor: Descriptor | undefined;
}

export interface TransferSettings extends CallSettings {
  /** What it returns is awaited before the next message; what it throws ends the transfer. */
  readonly onProgress?: ((progress: TransferProgress) => unknown) | undefined;
}

/** What a registry is given when it asks who we are. */
export type RegistryCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly username: string; readonly secret: string }
  | { readonly kind: "refreshToken"; readonly token: string };

export interface RegistrySource {
  readonly reference: string;
  /** Asked once for each host that wants to know. */
  readonly credentials?:
    | ((request: { readonly host: string; readonly reference: string }) => Promise<RegistryCredentials>)
    | undefined;
  /** A path on the daemon's machine. */
  readonly hostsDir?: string | undefined;
  readonly headers?: Labels | undefined;
  /** `http` for registries without TLS. */
  readonly defaultScheme?: string | undefined;
  /** containerd 2.2 and later; older ones write nothing. */
  readonly httpLog?: HttpLog | undefined;
}

/** What the daemon's own HTTP client tells of its requests. */
export interface HttpLog {
  /** Every request and response, headers and bodies. */
  readonly dump: boolean;
  /** Connections and name look-ups. */
  readonly trace: boolean;
  /** Takes the text as it comes, cut anywhere. */
  write(text: Uint8Array): void | Promise<void>;
}

/** Which images of the daemon's store, and how they are recorded. */
export type StoreSide = Partial<
  Pick<transferImageStore.ImageStore, "name" | "allMetadata" | "manifestLimit"> & {
    readonly labels: Labels;
    readonly platforms: readonly Platform[];
    readonly extraReferences: readonly Partial<transferImageStore.ImageReference>[];
    readonly unpacks: readonly { readonly platform?: Platform; readonly snapshotter?: string }[];
  }
>;

export interface ImportStreamOptions {
  /** "" lets the daemon look. */
  readonly mediaType?: string;
  readonly forceCompress?: boolean;
}

export interface ExportStreamOptions {
  readonly platforms?: readonly Platform[];
  readonly allPlatforms?: boolean;
  readonly skipCompatibilityManifest?: boolean;
  readonly skipNonDistributable?: boolean;
}

/** How long what a stream still has to tell is waited for once its transfer is over; daemons end it at once. */
const GRACE_MS = 1000;

/** The daemon moves images itself: containerd 1.7 and later. Unverified against 2.x. */
export class Transfer {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Registry to store. */
  async pull(source: RegistrySource, store: StoreSide, settings: TransferSettings = {}): Promise<void> {
    using whole = openWhole(settings);
    await this.#withRegistry(source, whole.settings, async (registry) =>
      this.run(registry, await storeToAny(store), whole.settings),
    );
  }

  /** Store to registry. */
  async push(store: StoreSide, destination: RegistrySource, settings: TransferSettings = {}): Promise<void> {
    using whole = openWhole(settings);
    await this.#withRegistry(destination, whole.settings, async (registry) =>
      this.run(await storeToAny(store), registry, whole.settings),
    );
  }

  /** Archive to store. What reading the archive throws cancels the transfer: nothing of it is recorded. */
  async importArchive(
    archive: AsyncIterable<Uint8Array>,
    store: StoreSide,
    settings: TransferSettings & ImportStreamOptions = {},
  ): Promise<void> {
    using whole = openWhole(settings);
    await using stream = await this.#client.streams.open("import", whole.settings);
    const { mediaType = "", forceCompress = false } = settings;
    const source = { stream: stream.id, mediaType, forceCompress };
    const { encodeAny } = await loadAnyCodecs();
    const any = encodeAny("containerd.types.transfer.ImageImportStream", source);
    await besides(this.run(any, await storeToAny(store), whole.settings), sendBytes(stream, archive));
  }

  /** Store to archive; the call's own failure surfaces where the bytes end. */
  async *exportArchive(
    store: StoreSide,
    settings: TransferSettings & ExportStreamOptions = {},
  ): AsyncIterable<Uint8Array> {
    using whole = openWhole(settings);
    await using stream = await this.#client.streams.open("export", whole.settings);
    const { encodeAny } = await loadAnyCodecs();
    const destination = encodeAny("containerd.types.transfer.ImageExportStream", {
      stream: stream.id,
      platforms: (settings.platforms ?? []).map(platformToWire),
      allPlatforms: settings.allPlatforms ?? false,
      skipCompatibilityManifest: settings.skipCompatibilityManifest ?? false,
      skipNonDistributable: settings.skipNonDistributable ?? false,
    });
    const running = this.run(await storeToAny(store), destination, whole.settings);
    // A daemon that fails before its first byte leaves the stream open. Awaited below; until then no failure is lost.
    running.catch(() => stream[Symbol.asyncDispose]());
    yield* receiveBytes(stream);
    await running;
  }

  /** The target of one image recorded under another name as well; a record of that name is replaced. */
  async tag(from: string, to: StoreSide, settings: TransferSettings = {}): Promise<void> {
    await this.run(await storeToAny({ name: from }), await storeToAny(to), settings);
  }

  /** Any source to any destination; `unimplemented` where the daemon knows no way. */
  async run(source: protobufAny.Any, destination: protobufAny.Any, settings: TransferSettings = {}): Promise<void> {
    const { onProgress } = settings;
    if (onProgress === undefined) {
      await (await this.#service).transfer({ source, destination }, this.#client.callOptions(settings));
      return;
    }
    using whole = openWhole(settings);
    await using stream = await this.#client.streams.open("progress", whole.settings);
    const service = await this.#service;
    const told = tellProgress(stream, onProgress);
    const request = { source, destination, options: { progressStream: stream.id } };
    try {
      await besides(service.transfer(request, this.#client.callOptions(whole.settings)), told);
      await within(GRACE_MS, told);
    } finally {
      await stream[Symbol.asyncDispose]();
      // Nothing is told once this call has ended. Its failure, if any, has been thrown above.
      await told.catch(() => undefined);
    }
  }

  /** The stream of credentials is always there: a daemon that asks and gets no answer waits for ever. */
  async #withRegistry(
    source: RegistrySource,
    settings: CallSettings,
    work: (registry: protobufAny.Any) => Promise<void>,
  ): Promise<void> {
    await using credentials = await this.#client.streams.open("creds", settings);
    const { httpLog } = source;
    await using logs = httpLog && (await this.#client.streams.open("http-debug-logs", settings));
    const { encodeAny } = await loadAnyCodecs();
    const httpDebug = await httpDebugToWire(httpLog);
    const logged = httpLog && logs ? relay(logs, httpLog) : Promise.resolve();
    const any = encodeAny("containerd.types.transfer.OCIRegistry", {
      reference: source.reference,
      resolver: {
        authStream: credentials.id,
        headers: { ...source.headers },
        hostDir: source.hostsDir ?? "",
        defaultScheme: source.defaultScheme ?? "",
        httpDebug,
        logsStream: logs?.id ?? "",
      },
    });
    await besides(work(any), answerCredentials(credentials, source), logged);
    await within(GRACE_MS, logged);
  }

  get #service() {
    return this.#client.service(services.transfer);
  }
}

interface Whole extends Disposable {
  /** The caller's settings, under a signal that also ends with the whole. */
  readonly settings: TransferSettings;
}

/** A transfer and its streams are one: disposing cancels what is still under way. */
function openWhole(settings: TransferSettings): Whole {
  const end = new AbortController();
  const signal = AbortSignal.any([signalOf(settings), end.signal]);
  return { settings: { ...settings, signal }, [Symbol.dispose]: () => end.abort() };
}

/** What `main` comes to, unless something beside it fails first. */
function besides<T>(main: Promise<T>, ...others: readonly Promise<void>[]): Promise<T> {
  return Promise.race([main, ...others.map((other) => other.then(() => main))]);
}

/** Waits for `work`, but not for ever. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function relay(stream: DaemonStream, log: HttpLog): Promise<void> {
  for await (const text of receiveBytes(stream)) await log.write(text);
}

async function httpDebugToWire(log: HttpLog | undefined) {
  const { HTTPDebug } = await loadTransferRegistry();
  if (log?.dump === true) return log.trace ? HTTPDebug.BOTH : HTTPDebug.DEBUG;
  return log?.trace === true ? HTTPDebug.TRACE : HTTPDebug.DISABLED;
}

async function tellProgress(stream: DaemonStream, tell: (progress: TransferProgress) => void): Promise<void> {
  const { decodeAnyAs } = await loadAnyCodecs();
  for await (const message of stream.messages) {
    const progress = decodeAnyAs(message, "containerd.types.transfer.Progress");
    if (progress !== undefined) tell(progressFromWire(progress));
  }
}

function progressFromWire(wire: transferProgress.Progress): TransferProgress {
  const { event, name, parents, progress, total, desc } = wire;
  return { event, name, parents, progress, total, descriptor: desc && descriptorFromWire(desc) };
}

async function answerCredentials(stream: DaemonStream, source: RegistrySource): Promise<void> {
  const { decodeAnyAs, encodeAny } = await loadAnyCodecs();
  for await (const message of stream.messages) {
    const request = decodeAnyAs(message, "containerd.types.transfer.AuthRequest");
    if (request === undefined) continue;
    const { host, reference } = request;
    const credentials = (await source.credentials?.({ host, reference })) ?? { kind: "none" };
    stream.send(encodeAny("containerd.types.transfer.AuthResponse", await credentialsToWire(credentials)));
  }
}

async function credentialsToWire(credentials: RegistryCredentials) {
  const { AuthType } = await loadTransferRegistry();
  switch (credentials.kind) {
    case "none":
      return { authType: AuthType.NONE };
    case "password":
      return { authType: AuthType.CREDENTIALS, username: credentials.username, secret: credentials.secret };
    case "refreshToken":
      return { authType: AuthType.REFRESH, secret: credentials.token };
  }
}

async function storeToAny(store: StoreSide): Promise<protobufAny.Any> {
  const { encodeAny } = await loadAnyCodecs();
  const { platforms = [], extraReferences = [], unpacks = [] } = store;
  return encodeAny("containerd.types.transfer.ImageStore", {
    name: store.name ?? "",
    labels: { ...store.labels },
    platforms: platforms.map(platformToWire),
    allMetadata: store.allMetadata ?? false,
    manifestLimit: store.manifestLimit ?? 0,
    extraReferences: extraReferences.map((reference) => ({
      name: "",
      isPrefix: false,
      allowOverwrite: false,
      addDigest: false,
      skipNamedDigest: false,
      ...reference,
    })),
    unpacks: unpacks.map(({ platform, snapshotter = "" }) => ({
      platform: platform && platformToWire(platform),
      snapshotter,
    })),
  });
}

function platformToWire(platform: Platform) {
  const { os, architecture, variant = "", osVersion = "", osFeatures = [] } = platform;
  return { os, architecture, variant, osVersion, osFeatures: [...osFeatures] };
}
