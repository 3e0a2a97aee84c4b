import { namespacesV1 } from "@ctr/api";
import type { Labels } from "@ctr/oci";
import type { ServiceClient } from "@ctr/rpc";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { labelPaths } from "./wire.ts";

export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

/** The daemon's namespaces; these calls need none themselves. Engine reference: Namespaces service. */
export class Namespaces {
  readonly #client: Client;
  readonly #service: ServiceClient<typeof namespacesV1.NamespacesDefinition>;

  constructor(client: Client) {
    this.#client = client;
    this.#service = client.service(namespacesV1.NamespacesDefinition);
  }

  /** An unknown but well-formed name yields a namespace without labels. */
  async get(name: string, settings: CallSettings = {}): Promise<Namespace> {
    const { namespace } = await this.#service.get({ name }, this.#client.callOptions(settings));
    return { name, labels: namespace?.labels ?? {} };
  }

  async list(settings: CallSettings = {}): Promise<readonly Namespace[]> {
    const { namespaces } = await this.#service.list({}, this.#client.callOptions(settings));
    return namespaces.map(({ name, labels }) => ({ name, labels }));
  }

  /** `already_exists` also when mere use created it. */
  async create(name: string, labels: Labels = {}, settings: CallSettings = {}): Promise<Namespace> {
    await this.#service.create({ namespace: { name, labels } }, this.#client.callOptions(settings));
    return { name, labels };
  }

  /** Sets labels; an empty value deletes. Labels not named stay. */
  async setLabels(name: string, labels: Labels, settings: CallSettings = {}): Promise<void> {
    const request = { namespace: { name, labels }, updateMask: labelPaths(labels) };
    await this.#service.update(request, this.#client.callOptions(settings));
  }

  /** `failed_precondition` while it holds anything. */
  async delete(name: string, settings: CallSettings = {}): Promise<void> {
    await this.#service.delete({ name }, this.#client.callOptions(settings));
  }
}
