import { services } from "@ctr/api";
import type { Labels } from "@ctr/oci";
import type { Client } from "./client.ts";
import { labelPaths } from "./label-paths.ts";
import type { CallSettings } from "./settings.ts";
import { namespaceSummaries } from "./summary-wire.ts";

export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

/** The daemon's namespaces; these calls need none themselves. Engine reference: Namespaces service. */
export class Namespaces {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** An unknown but well-formed name yields a namespace without labels. */
  async get(name: string, settings: CallSettings = {}): Promise<Namespace> {
    const { namespace } = await (await this.#service).get({ name }, this.#client.callOptions(settings));
    return { name, labels: namespace?.labels ?? {} };
  }

  async list(settings: CallSettings = {}): Promise<readonly Namespace[]> {
    const service = await this.#client.service(namespaceSummaries);
    return (await service.list({ filter: "" }, this.#client.callOptions(settings))).namespaces;
  }

  /** `already_exists` also when mere use created it. */
  async create(name: string, labels: Labels = {}, settings: CallSettings = {}): Promise<Namespace> {
    await (await this.#service).create({ namespace: { name, labels } }, this.#client.callOptions(settings));
    return { name, labels };
  }

  /** Sets labels; an empty value deletes. Labels not named stay. */
  async setLabels(name: string, labels: Labels, settings: CallSettings = {}): Promise<void> {
    const request = { namespace: { name, labels }, updateMask: labelPaths(labels) };
    await (await this.#service).update(request, this.#client.callOptions(settings));
  }

  /** `failed_precondition` while it holds anything. */
  async delete(name: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).delete({ name }, this.#client.callOptions(settings));
  }

  get #service() {
    return this.#client.service(services.namespaces);
  }
}
