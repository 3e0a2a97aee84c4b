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
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
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

/** The daemon moves images itself: containerd 1.7 and later. Unverified against 2.x. */
export class Transfer {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Registry to store. */
  async pull(source: RegistrySource, store: StoreSide, settings: TransferSettings = {}): Promise<void> {
    await this.#withRegistry(source, settings, async (registry) =>
      this.run(registry, await storeToAny(store), settings),
    );
  }

  /** Store to registry. */
  async push(store: StoreSide, destination: RegistrySource, settings: TransferSettings = {}): Promise<void> {
    await this.#withRegistry(destination, settings, async (registry) =>
      this.run(await storeToAny(store), registry, settings),
    );
  }

  /** Archive to store. */
  async importArchive(
    archive: AsyncIterable<Uint8Array>,
    store: StoreSide,
    settings: TransferSettings & ImportStreamOptions = {},
  ): Promise<void> {
    await using stream = await this.#client.streams.open("import", settings);
    const { mediaType = "", forceCompress = false } = settings;
    const source = { stream: stream.id, mediaType, forceCompress };
    const { encodeAny } = await loadAnyCodecs();
    const any = encodeAny("containerd.types.transfer.ImageImportStream", source);
    await Promise.all([sendBytes(stream, archive), this.run(any, await storeToAny(store), settings)]);
  }

  /** Store to archive; the call's own failure surfaces where the bytes end. */
  async *exportArchive(
    store: StoreSide,
    settings: TransferSettings & ExportStreamOptions = {},
  ): AsyncIterable<Uint8Array> {
    await using stream = await this.#client.streams.open("export", settings);
    const { encodeAny } = await loadAnyCodecs();
    const destination = encodeAny("containerd.types.transfer.ImageExportStream", {
      stream: stream.id,
      platforms: (settings.platforms ?? []).map(platformToWire),
      allPlatforms: settings.allPlatforms ?? false,
      skipCompatibilityManifest: settings.skipCompatibilityManifest ?? false,
      skipNonDistributable: settings.skipNonDistributable ?? false,
    });
    const running = this.run(await storeToAny(store), destination, settings).finally(() => stream.finish());
    // Awaited below; until then its failure must not count as unhandled.
    running.catch(() => undefined);
    yield* receiveBytes(stream);
    await running;
  }

  /** The target of one image recorded under another name as well. */
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
    await using stream = await this.#client.streams.open("progress", settings);
    const told = tellProgress(stream, onProgress);
    const options = { progressStream: stream.id };
    try {
      await (await this.#service).transfer({ source, destination, options }, this.#client.callOptions(settings));
      await told;
    } finally {
      await stream[Symbol.asyncDispose]();
      await told;
    }
  }

  /** The stream of credentials is always there: a daemon that asks and gets no answer waits for ever. */
  async #withRegistry(
    source: RegistrySource,
    settings: CallSettings,
    work: (registry: protobufAny.Any) => Promise<void>,
  ): Promise<void> {
    const signal = signalOf(settings);
    await using stream = await this.#client.streams.open("creds", { signal });
    const answering = answerCredentials(stream, source);
    const [{ encodeAny }, { HTTPDebug }] = await Promise.all([loadAnyCodecs(), loadTransferRegistry()]);
    const any = encodeAny("containerd.types.transfer.OCIRegistry", {
      reference: source.reference,
      resolver: {
        authStream: stream.id,
        headers: { ...source.headers },
        hostDir: source.hostsDir ?? "",
        defaultScheme: source.defaultScheme ?? "",
        httpDebug: HTTPDebug.DISABLED,
        logsStream: "",
      },
    });
    await Promise.race([work(any), answering.then(() => new Promise<never>(() => undefined))]);
  }

  get #service() {
    return this.#client.service(services.transfer);
  }
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
