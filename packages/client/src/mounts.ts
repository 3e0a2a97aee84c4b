import { ContainerdError, type mountTypes, services } from "@ctr/api";
import type { Labels, Mount, Timestamp } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { mountsFromWire, timestampFromWire } from "./wire.ts";

export interface ActivateSettings extends CallSettings {
  readonly labels?: Labels | undefined;
  /** Mount everything; what is left for the caller is one bind mount. */
  readonly temporary?: boolean | undefined;
}

export interface Activation {
  readonly name: string;
  /** What the daemon mounted. Only type, mount point and time are kept. */
  readonly active: readonly ActiveMount[];
  /** What is left for the caller to mount. */
  readonly system: readonly Mount[];
  readonly labels: Labels;
}

export interface ActiveMount {
  readonly type: string;
  readonly mountPoint: string;
  readonly mountedAt: Timestamp | undefined;
}

/** The daemon's mount manager: containerd 2.2 and later, else every call is `unimplemented`. Unverified against 2.x. */
export class MountManager {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** `unimplemented` also when nothing in `mounts` needs the daemon: the caller then mounts the list as it is. */
  async activate(name: string, mounts: readonly Mount[], settings: ActivateSettings = {}): Promise<Activation> {
    const { labels = {}, temporary = false } = settings;
    const request = { name, mounts, labels, temporary };
    const { info } = await (await this.#service).activate(request, this.#client.callOptions(settings));
    return activationFromWire(info);
  }

  async deactivate(name: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).deactivate({ name }, this.#client.callOptions(settings));
  }

  async info(name: string, settings: CallSettings = {}): Promise<Activation> {
    const { info } = await (await this.#service).info({ name }, this.#client.callOptions(settings));
    return activationFromWire(info);
  }

  async *list(settings: CallSettings = {}): AsyncIterable<Activation> {
    for await (const { info } of (await this.#service).list({}, this.#client.callOptions(settings))) {
      yield activationFromWire(info);
    }
  }

  get #service() {
    return this.#client.service(services.mounts);
  }
}

function activationFromWire(info: mountTypes.ActivationInfo | undefined): Activation {
  if (info === undefined) {
    throw new ContainerdError({ code: "internal", what: "cannot read mounts answer", why: "it has no info" });
  }
  const active = info.active.map(({ mount, mountPoint, mountedAt }) => ({
    type: mount?.type ?? "",
    mountPoint,
    mountedAt: timestampFromWire(mountedAt),
  }));
  return { name: info.name, active, system: mountsFromWire(info.system), labels: info.labels };
}
