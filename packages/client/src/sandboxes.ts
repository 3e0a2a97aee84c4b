import { ContainerdError, type protobufAny, type sandboxTypes, type sandboxV1, services } from "@ctr/api";
import type { Labels, Mount, Timestamp } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { timestampFromWire } from "./wire.ts";

/** containerd's sandboxer when none is named. */
const DEFAULT_SANDBOXER = "shim";

export interface SandboxRecord {
  readonly id: string;
  readonly runtime: { readonly name: string; readonly options?: protobufAny.Any | undefined };
  readonly spec: protobufAny.Any | undefined;
  readonly labels: Labels;
  readonly extensions: Readonly<Record<string, protobufAny.Any>>;
  readonly sandboxer: string;
  readonly createdAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
}

export type NewSandbox = Pick<SandboxRecord, "id" | "runtime"> &
  Partial<Pick<SandboxRecord, "spec" | "labels" | "extensions" | "sandboxer">>;

/** Sandbox records and their controller; containerd 1.7 and later. Unverified against 2.x. */
export class Sandboxes {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async create(sandbox: NewSandbox, settings: CallSettings = {}): Promise<SandboxRecord> {
    const request = { sandbox: toWire(sandbox) };
    return fromWire((await (await this.#store).create(request, this.#client.callOptions(settings))).sandbox);
  }

  async get(sandboxId: string, settings: CallSettings = {}): Promise<SandboxRecord> {
    return fromWire((await (await this.#store).get({ sandboxId }, this.#client.callOptions(settings))).sandbox);
  }

  async list(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly SandboxRecord[]> {
    const { list } = await (await this.#store).list({ filters }, this.#client.callOptions(settings));
    return list.map(fromWire);
  }

  async delete(sandboxId: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#store).delete({ sandboxId }, this.#client.callOptions(settings));
  }

  /** Makes the sandbox of a record; `start` runs it. */
  async prepare(
    sandbox: NewSandbox,
    settings: CallSettings & { readonly rootfs?: readonly Mount[]; readonly options?: protobufAny.Any } = {},
  ): Promise<void> {
    const { rootfs = [], options } = settings;
    const { id: sandboxId, sandboxer = DEFAULT_SANDBOXER } = sandbox;
    const request = { sandboxId, rootfs, options, sandbox: toWire(sandbox), sandboxer };
    await (await this.#controller).create(request, this.#client.callOptions(settings));
  }

  async start(sandboxId: string, settings: CallSettings = {}): Promise<{ readonly pid: number }> {
    const request = { sandboxId, sandboxer: DEFAULT_SANDBOXER };
    const { pid } = await (await this.#controller).start(request, this.#client.callOptions(settings));
    return { pid };
  }

  async stop(sandboxId: string, settings: CallSettings & { readonly timeoutSeconds?: number } = {}): Promise<void> {
    const request = { sandboxId, timeoutSecs: settings.timeoutSeconds ?? 0, sandboxer: DEFAULT_SANDBOXER };
    await (await this.#controller).stop(request, this.#client.callOptions(settings));
  }

  async wait(
    sandboxId: string,
    settings: CallSettings = {},
  ): Promise<{ readonly exitCode: number; readonly exitedAt: Timestamp | undefined }> {
    const request = { sandboxId, sandboxer: DEFAULT_SANDBOXER };
    const { exitStatus, exitedAt } = await (await this.#controller).wait(request, this.#client.callOptions(settings));
    return { exitCode: exitStatus, exitedAt: timestampFromWire(exitedAt) };
  }

  /** As the controller tells it. */
  async status(
    sandboxId: string,
    settings: CallSettings & { readonly verbose?: boolean } = {},
  ): Promise<sandboxV1.ControllerStatusResponse> {
    const request = { sandboxId, verbose: settings.verbose ?? false, sandboxer: DEFAULT_SANDBOXER };
    return (await this.#controller).status(request, this.#client.callOptions(settings));
  }

  /** Ends the sandbox; containerd drops its record too. */
  async shutdown(sandboxId: string, settings: CallSettings = {}): Promise<void> {
    const request = { sandboxId, sandboxer: DEFAULT_SANDBOXER };
    await (await this.#controller).shutdown(request, this.#client.callOptions(settings));
  }

  get #store() {
    return this.#client.service(services.sandboxStore);
  }

  get #controller() {
    return this.#client.service(services.sandboxController);
  }
}

function toWire(sandbox: NewSandbox) {
  const { id: sandboxId, runtime, spec, labels = {}, extensions = {}, sandboxer = DEFAULT_SANDBOXER } = sandbox;
  return { sandboxId, runtime, spec, labels, extensions, sandboxer };
}

function fromWire(wire: sandboxTypes.Sandbox | undefined): SandboxRecord {
  if (wire === undefined) {
    throw new ContainerdError({ code: "internal", what: "cannot read sandbox answer", why: "it has no sandbox" });
  }
  const { sandboxId: id, spec, labels, extensions, sandboxer } = wire;
  const runtime = { name: wire.runtime?.name ?? "", options: wire.runtime?.options };
  const createdAt = timestampFromWire(wire.createdAt);
  return { id, runtime, spec, labels, extensions, sandboxer, createdAt, updatedAt: timestampFromWire(wire.updatedAt) };
}
