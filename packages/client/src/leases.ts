import { ContainerdError, hasCode, LEASE_OWNER_HEADER, type leasesV1, services } from "@ctr/api";
import type { Labels, Timestamp } from "@ctr/oci";
import type { CallOptions } from "@ctr/rpc";
import { processIdentity } from "@ctr/sys";
import type { Client } from "./client.ts";
import { type CallSettings, signalOf } from "./settings.ts";
import { timestampFromWire } from "./wire.ts";

/** How long a lease lives when its holder dies: what the Go client gives. */
const DEFAULT_EXPIRY_MS = 24 * 60 * 60 * 1000;
/** Label that tells the collector when a lease ends; RFC 3339. */
const EXPIRE_LABEL = "containerd.io/gc.expire";

export interface Lease {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Timestamp | undefined;
}

/** What a lease keeps: `content` by digest, `ingests` by ref, `images` by name, `snapshots/<snapshotter>` by key. */
export interface LeaseResource {
  readonly type: string;
  readonly id: string;
}

export interface LeaseSettings extends CallSettings {
  /** Made up when left out. */
  readonly id?: string | undefined;
  readonly labels?: Labels | undefined;
  /** Time until the collector may ignore it; for ever when left out. */
  readonly expiresMs?: number | undefined;
}

export interface LeaseDeletion extends CallSettings {
  /** Wait until what only this lease kept is collected. */
  readonly sync?: boolean | undefined;
}

/** A lease and a client that works under it. Disposing deletes the lease. */
export interface HeldLease extends Lease, AsyncDisposable {
  /** The same connection; whatever it creates is kept by the lease. */
  readonly client: Client;
  /** Disposing leaves the lease to its expiry: what it keeps is worth coming back for. */
  keep(): void;
}

/** Leases keep things from garbage collection. Engine reference: Leases service. */
export class Leases {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async create(settings: LeaseSettings = {}): Promise<Lease> {
    return this.#create(settings, this.#client.callOptions(settings));
  }

  async #create(settings: LeaseSettings, call: CallOptions): Promise<Lease> {
    const { labels = {}, expiresMs } = settings;
    const id = settings.id ?? (await import("./random-id.ts")).randomId();
    const expiry = expiresMs === undefined ? {} : { [EXPIRE_LABEL]: new Date(Date.now() + expiresMs).toISOString() };
    const request = { id, labels: { ...expiry, ...labels } };
    const { lease } = await (await this.#service).create(request, call);
    if (lease !== undefined) return leaseFromWire(lease);
    throw new ContainerdError({ code: "internal", what: "cannot read leases answer", why: "it has no lease" });
  }

  /**
   * Creates a lease for the length of a block: `await using lease = await client.leases.hold()`, then work through
   * `lease.client`. It expires by itself after a day when this process dies. A client that has a lease already
   * keeps it, and nothing is created or deleted.
   */
  async hold(settings: LeaseSettings = {}): Promise<HeldLease> {
    const client = this.#client;
    if (client.leaseId !== undefined) return borrowedLease(client, client.leaseId);
    const signal = signalOf(settings);
    const { withGrace } = await import("./grace.ts");
    const wanted = { expiresMs: DEFAULT_EXPIRY_MS, ...settings, signal: withGrace(signal) };
    const lease = await this.#create(wanted, this.#ownedCall(wanted));
    if (signal.aborted) {
      await this.#release(lease.id);
      throw signal.reason;
    }
    let gone: Promise<void> | undefined;
    return {
      ...lease,
      client: client.withLease(lease.id),
      keep: () => {
        gone ??= Promise.resolve();
      },
      [Symbol.asyncDispose]: () => {
        gone ??= this.#release(lease.id);
        return gone;
      },
    };
  }

  async list(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly Lease[]> {
    const { leases } = await (await this.#service).list({ filters }, this.#client.callOptions(settings));
    return leases.map(leaseFromWire);
  }

  async delete(id: string, settings: LeaseDeletion = {}): Promise<void> {
    await (await this.#service).delete({ id, sync: settings.sync ?? false }, this.#client.callOptions(settings));
  }

  async addResource(id: string, resource: LeaseResource, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).addResource({ id, resource }, this.#client.callOptions(settings));
  }

  async deleteResource(id: string, resource: LeaseResource, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).deleteResource({ id, resource }, this.#client.callOptions(settings));
  }

  async resources(id: string, settings: CallSettings = {}): Promise<readonly LeaseResource[]> {
    const { resources } = await (await this.#service).listResources({ id }, this.#client.callOptions(settings));
    return resources.map(({ type, id }) => ({ type, id }));
  }

  /** The embedded engine lets the lease lapse with this process; other daemons go by its expiry alone. */
  #ownedCall(settings: CallSettings): CallOptions {
    const call = this.#client.callOptions(settings);
    return { ...call, metadata: { ...call.metadata, [LEASE_OWNER_HEADER]: processIdentity() } };
  }

  /** Runs also after the caller was cancelled, so without its signal. */
  async #release(id: string): Promise<void> {
    try {
      await this.delete(id);
    } catch (error) {
      // Expired or deleted by someone else: the wanted state.
      if (!hasCode(error, "not_found")) throw error;
    }
  }

  get #service() {
    return this.#client.service(services.leases);
  }
}

function borrowedLease(client: Client, id: string): HeldLease {
  return { id, labels: {}, createdAt: undefined, client, keep() {}, async [Symbol.asyncDispose]() {} };
}

function leaseFromWire({ id, labels, createdAt }: leasesV1.Lease): Lease {
  return { id, labels, createdAt: timestampFromWire(createdAt) };
}
