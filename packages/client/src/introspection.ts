import { type DecodedAny, type introspectionV1, loadAnyCodecs, type protobufAny, services } from "@ctr/api";
import type { Platform, Timestamp } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { identityService } from "./version.ts";
import { platformFromWire, timestampFromWire } from "./wire.ts";

export interface Plugin {
  /** `io.containerd.snapshotter.v1`, … */
  readonly type: string;
  readonly id: string;
  /** Types it needs. */
  readonly requires: readonly string[];
  readonly platforms: readonly Platform[];
  readonly exports: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  /** Why it did not load; a skipped plugin has one too, ending in "skip plugin". */
  readonly initError: { readonly code: number; readonly message: string } | undefined;
}

export interface DaemonInfo {
  readonly uuid: string;
  /** 0 from a daemon before 1.7. */
  readonly pid: bigint;
  /** Inode of its pid namespace; 0 from a daemon before 1.7. */
  readonly pidNamespace: bigint;
  readonly deprecations: readonly Deprecation[];
}

export interface Deprecation {
  readonly id: string;
  readonly message: string;
  readonly lastOccurrence: Timestamp | undefined;
}

/** What the daemon is made of. Engine reference: Introspection. */
export class Introspection {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async server(settings: CallSettings = {}): Promise<DaemonInfo> {
    const { uuid, pid, pidns, deprecations } = await (await this.#service).server(
      {},
      this.#client.callOptions(settings),
    );
    return { uuid, pid, pidNamespace: pidns, deprecations: deprecations.map(deprecationFromWire) };
  }

  /** The id that the daemon keeps for as long as its store. */
  async uuid(settings: CallSettings = {}): Promise<string> {
    const service = await this.#client.service(identityService);
    return (await service.server({}, this.#client.callOptions(settings))).uuid;
  }

  /** Plugins in order of initialisation; filter fields are `type` and `id`. */
  async plugins(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly Plugin[]> {
    const { plugins } = await (await this.#service).plugins({ filters }, this.#client.callOptions(settings));
    return plugins.map(pluginFromWire);
  }

  /** One plugin and what it tells about itself; containerd 2.0 and later, and only some plugins. */
  async pluginInfo(
    type: string,
    id: string,
    settings: CallSettings & { readonly options?: protobufAny.Any } = {},
  ): Promise<{ readonly plugin: Plugin | undefined; readonly extra: DecodedAny | undefined }> {
    const request = { type, id, options: settings.options };
    const { plugin, extra } = await (await this.#service).pluginInfo(request, this.#client.callOptions(settings));
    const decoded = extra && (await loadAnyCodecs()).decodeAny(extra);
    return { plugin: plugin && pluginFromWire(plugin), extra: decoded };
  }

  get #service() {
    return this.#client.service(services.introspection);
  }
}

function pluginFromWire(wire: introspectionV1.Plugin): Plugin {
  const { type, id, requires, exports, capabilities, initErr } = wire;
  const initError = initErr && { code: initErr.code, message: initErr.message };
  return { type, id, requires, platforms: wire.platforms.map(platformFromWire), exports, capabilities, initError };
}

function deprecationFromWire({ id, message, lastOccurrence }: introspectionV1.DeprecationWarning): Deprecation {
  return { id, message, lastOccurrence: timestampFromWire(lastOccurrence) };
}
