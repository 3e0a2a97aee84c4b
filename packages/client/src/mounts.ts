import { ContainerdError, mountsV1, type mountTypes } from "@ctr/api";
import type { Labels, Mount, Timestamp } from "@ctr/oci";
import type { ServiceClient } from "@ctr/rpc";
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
  readonly #service: ServiceClient<typeof mountsV1.MountsDefinition>;

  constructor(client: Client) {
    this.#client = client;
    this.#service = client.service(mountsV1.MountsDefinition);
  }

  /** `unimplemented` also when nothing in `mounts` needs the daemon: the caller then mounts the list as it is. */
  async activate(name: string, mounts: readonly Mount[], settings: ActivateSettings = {}): Promise<Activation> {
    const { labels = {}, temporary = false } = settings;
    const request = { name, mounts, labels, temporary };
    const { info } = await this.#service.activate(request, this.#client.callOptions(settings));
    return activationFromWire(info);
  }

  async deactivate(name: string, settings: CallSettings = {}): Promise<void> {
    await this.#service.deactivate({ name }, this.#client.callOptions(settings));
  }

  async info(name: string, settings: CallSettings = {}): Promise<Activation> {
    const { info } = await this.#service.info({ name }, this.#client.callOptions(settings));
    return activationFromWire(info);
  }

  async *list(settings: CallSettings = {}): AsyncIterable<Activation> {
    for await (const { info } of this.#service.list({}, this.#client.callOptions(settings))) {
      yield activationFromWire(info);
    }
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
