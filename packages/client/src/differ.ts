import { ContainerdError, type descriptorTypes, services } from "@ctr/api";
import type { Descriptor, Differ, Labels, Mount } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { descriptorFromWire, descriptorToWire } from "./wire.ts";

export interface ApplySettings extends CallSettings {
  /** Flush the target's file system before answering. */
  readonly syncFs?: boolean | undefined;
}

export interface CompareSettings extends CallSettings {
  readonly mediaType: string;
  /** Ingest ref to write under; the daemon picks one when left out. */
  readonly ref?: string | undefined;
  /** Labels of the new blob. */
  readonly labels?: Labels | undefined;
}

/** Layers to trees and back, done by the daemon. Engine reference: Diff. */
export class RemoteDiffer implements Differ {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The digest of the answer is the diff ID; comparing it with the expected one is the caller's. */
  async apply(layer: Descriptor, mounts: readonly Mount[], settings: ApplySettings = {}): Promise<Descriptor> {
    const request = { diff: descriptorToWire(layer), mounts, syncFs: settings.syncFs ?? false };
    const { applied } = await (await this.#service).apply(request, this.#client.callOptions(settings));
    return required(applied);
  }

  async compare(lower: readonly Mount[], upper: readonly Mount[], settings: CompareSettings): Promise<Descriptor> {
    const { mediaType, ref = "", labels = {} } = settings;
    const request = { left: lower, right: upper, mediaType, ref, labels };
    const { diff } = await (await this.#service).diff(request, this.#client.callOptions(settings));
    return required(diff);
  }

  get #service() {
    return this.#client.service(services.diff);
  }
}

function required(descriptor: descriptorTypes.Descriptor | undefined): Descriptor {
  if (descriptor !== undefined) return descriptorFromWire(descriptor);
  throw new ContainerdError({ code: "internal", what: "cannot read diff answer", why: "it has no descriptor" });
}
