import { type protobufAny, services } from "@ctr/api";
import type { Descriptor, Image, Labels, Spec, Timestamp } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { Container } from "./container.ts";
import type { ContainerCheckpointSettings } from "./container-checkpoint.ts";
import type { RestoredContainer, RestoreSettings } from "./container-restore.ts";
import type { CreateContainerOptions } from "./run.ts";
import type { CallSettings } from "./settings.ts";
import { containerSummaries } from "./summary-wire.ts";

/** A container's metadata: what it is made from and how it is to run. The running thing is its task. */
export interface ContainerRecord {
  readonly id: string;
  readonly labels: Labels;
  /** Image name; free text, "" for none. */
  readonly image: string;
  readonly runtime: { readonly name: string; readonly options?: protobufAny.Any | undefined };
  /** The OCI runtime spec, parsed; `rawSpec` has the bytes. Undefined when it is not JSON. */
  readonly spec: Spec | undefined;
  readonly rawSpec: protobufAny.Any | undefined;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly extensions: Readonly<Record<string, protobufAny.Any>>;
  readonly sandboxId: string;
  readonly createdAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
}

/** What a list shows of a container. */
export interface ContainerSummary extends Pick<ContainerRecord, "id" | "image"> {
  /** Name of the runtime. */
  readonly runtime: string;
}

/** What a caller gives to make one. The spec travels as JSON, or as it is in `rawSpec` where there is no `spec`. */
export type NewContainer = Pick<ContainerRecord, "id" | "runtime" | "spec"> &
  Partial<
    Pick<ContainerRecord, "rawSpec" | "labels" | "image" | "snapshotter" | "snapshotKey" | "extensions" | "sandboxId">
  >;

/** Fields an update may name: `labels`, `labels.<key>`, `spec`, `extensions`, `extensions.<key>`, `image`, `snapshotkey`. */
export type ContainerUpdate = Pick<ContainerRecord, "id"> & Partial<Omit<NewContainer, "id">>;

const loadWire = () => import("./container-wire.ts");

/** Container records of a namespace. Engine reference: Containers service. */
export class Containers {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async get(id: string, settings: CallSettings = {}): Promise<Container> {
    const near = await this.#client.nearContainer(id, settings);
    const container = near ?? (await (await this.#service).get({ id }, this.#client.callOptions(settings))).container;
    return (await loadWire()).openContainer(this.#client, container);
  }

  /** Filter fields are `id`, `image`, `runtime.name` and `labels.*`. */
  async list(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly Container[]> {
    const { containers } = await (await this.#service).list({ filters }, this.#client.callOptions(settings));
    const { openContainer } = await loadWire();
    return containers.map((container) => openContainer(this.#client, container));
  }

  /** The same list for who only shows it: cheap, however many there are and however large their specs. */
  async summaries(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly ContainerSummary[]> {
    const options = this.#client.callOptions(settings);
    const { containers } = await (await this.#client.service(containerSummaries)).list({ filters }, options);
    const summaries: ContainerSummary[] = [];
    for (const { id, image, runtime } of containers) summaries.push({ id, image, runtime: runtime?.name ?? "" });
    return summaries;
  }

  /** Stores a record as it is given; `createFromImage` makes snapshot and spec too. */
  async create(container: NewContainer, settings: CallSettings = {}): Promise<Container> {
    const { openContainer, toWire } = await loadWire();
    const request = { container: toWire(container) };
    const answer = await (await this.#service).create(request, this.#client.callOptions(settings));
    return openContainer(this.#client, answer.container);
  }

  /** A snapshot of the image, a spec from its config and your options, and the record that names both. */
  async createFromImage(options: CreateContainerOptions): Promise<Container> {
    const { createContainer } = await import("./run.ts");
    return createContainer(this.#client, options);
  }

  /** Replaces the fields that `paths` name; without paths all of them. */
  async update(update: ContainerUpdate, paths: readonly string[], settings: CallSettings = {}): Promise<Container> {
    const { openContainer, toWire } = await loadWire();
    const request = { container: toWire(update), updateMask: [...paths] };
    const answer = await (await this.#service).update(request, this.#client.callOptions(settings));
    return openContainer(this.#client, answer.container);
  }

  /** Stores what a container is as an image. Pausing its task meanwhile is the caller's. */
  async checkpoint(container: Container, settings: ContainerCheckpointSettings): Promise<Image> {
    const { checkpointContainer } = await import("./container-checkpoint.ts");
    return checkpointContainer(this.#client, container, settings);
  }

  /** A new container from a checkpoint, of which no more is believed than a plain container has. The caller holds a lease. */
  async restore(checkpoint: Descriptor, id: string, settings: RestoreSettings = {}): Promise<RestoredContainer> {
    const { restoreContainer } = await import("./container-restore.ts");
    return restoreContainer(this.#client, checkpoint, id, settings);
  }

  /** Drops the record alone; `Container.delete` looks after task and snapshot too. */
  async delete(id: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).delete({ id }, this.#client.callOptions(settings));
  }

  get #service() {
    return this.#client.service(services.containers);
  }
}
