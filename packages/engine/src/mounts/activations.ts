import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import type { Cancel, Labels, Mount } from "@ctr/oci";
import { mountAll } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { markDirty } from "../metadata/dirty.ts";
import { requireLease } from "../metadata/leases.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import type { Scope } from "../scope.ts";
import { diskError } from "../store/disk-error.ts";
import type { Store } from "../store/store.ts";
import { formatMount, type StandingMount } from "./format.ts";
import { attachLoop } from "./loop.ts";
import { makeDirectories } from "./mkdir.ts";
import { makeFileSystem } from "./mkfs.ts";
import { activationDir } from "./places.ts";
import { type MountPlan, type PlannedMount, planMounts } from "./plan.ts";
import {
  type ActivationRecord,
  type ActiveMount,
  deleteActivation,
  findActivation,
  insertActivation,
  listActivations,
  setActivated,
} from "./records.ts";
import { isStanding, takeDown } from "./take-down.ts";

export interface ActivateOptions extends Cancel {
  readonly labels: Labels;
  /** Mount everything; what is left for the caller is one bind mount. */
  readonly temporary: boolean;
  /** See `PlanOptions`. */
  readonly allowed?: ReadonlySet<string>;
}

/** How long taking down what a failed activation had mounted may take. */
const UNDO_MS = 15_000;

/**
 * Lists of mounts that stand under a name, in one namespace: until they are deactivated, or nothing keeps them any more.
 * The row is there before the first mount and goes before the last: whatever a killed process leaves is found by it,
 * or by its directory having none.
 */
export class Activations {
  readonly #store: Store;
  readonly #scope: Scope;

  constructor(store: Store, scope: Scope) {
    this.#store = store;
    this.#scope = scope;
  }

  /** `unimplemented` when nothing in the list is for us, `already_exists` while the name is in use. */
  async activate(name: string, mounts: readonly Mount[], options: ActivateOptions): Promise<ActivationRecord> {
    const { temporary: everything, allowed = new Set<string>() } = options;
    const plan = planMounts(mounts, { everything, allowed });
    using _lock = await this.#lock(name, options);
    await this.#clearTheWay(name, options);
    const { namespace, lease } = this.#scope;
    const id = this.#store.db.write((tx) => {
      if (lease !== undefined) requireLease(tx, namespace, lease);
      ensureNamespace(tx, namespace);
      return insertActivation(tx, namespace, { name, labels: options.labels, lease, now: this.#store.clock.now() });
    });
    failpoint("mounts.row");
    try {
      const made = await this.#make(activationDir(this.#store, id), plan, options);
      failpoint("mounts.mounted");
      this.#store.db.write((tx) => setActivated(tx, id, made));
    } catch (error) {
      await takeDown(activationDir(this.#store, id), { signal: AbortSignal.timeout(UNDO_MS), detach: true });
      this.#store.db.write((tx) => deleteActivation(tx, id));
      throw mountError(name, error);
    }
    return this.#get(name);
  }

  /** `not_found` for a name that is not there. */
  async deactivate(name: string, options: Cancel): Promise<void> {
    using _lock = await this.#lock(name, options);
    const found = this.#store.db.read((tx) => findActivation(tx, this.#scope.namespace, name));
    if (found === undefined) throw noActivation(name);
    const { id } = found;
    this.#store.db.write((tx) => {
      deleteActivation(tx, id);
      // What cannot be unmounted now, a collection tries again.
      markDirty(tx);
    });
    failpoint("mounts.deleted");
    try {
      await takeDown(activationDir(this.#store, id), options);
    } catch (error) {
      throw mountError(name, error);
    }
  }

  /** `not_found` for a name that is not there, or still being made. */
  async info(name: string): Promise<ActivationRecord> {
    return this.#get(name);
  }

  /** By name. */
  async list(): Promise<readonly ActivationRecord[]> {
    return this.#store.db.read((tx) => listActivations(tx, this.#scope.namespace)).filter(isUsable);
  }

  #get(name: string): ActivationRecord {
    const found = this.#store.db.read((tx) => findActivation(tx, this.#scope.namespace, name));
    if (found === undefined || !isUsable(found)) throw noActivation(name);
    return found;
  }

  async #lock(name: string, options: Cancel) {
    if (name === "") throw new ContainerdError({ code: "invalid_argument", what: "mount name must not be empty" });
    const hash = new Bun.CryptoHasher("sha256").update(`${this.#scope.namespace}/${name}`).digest("hex");
    return this.#store.locks.of(`mount-${hash.slice(0, 32)}`, options);
  }

  /** Whoever was making one of this name no longer holds the lock; after a boot nothing stands of those that were ready. */
  async #clearTheWay(name: string, options: Cancel): Promise<void> {
    const found = this.#store.db.read((tx) => findActivation(tx, this.#scope.namespace, name));
    if (found === undefined) return;
    if (isUsable(found)) {
      throw new ContainerdError({ code: "already_exists", what: `mount ${JSON.stringify(name)}` });
    }
    await takeDown(activationDir(this.#store, found.id), { ...options, detach: true });
    this.#store.db.write((tx) => deleteActivation(tx, found.id));
  }

  async #make(
    dir: string,
    plan: MountPlan,
    options: ActivateOptions,
  ): Promise<{ readonly active: readonly ActiveMount[]; readonly system: readonly Mount[] }> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const standing: StandingMount[] = [];
    const active: ActiveMount[] = [];
    for (const [at, planned] of plan.own.entries()) {
      const mount = await this.#transform(planned, standing, options);
      const mountPoint = join(dir, String(at + 1));
      standing.push({ mount: await mountOn(mountPoint, mount, options), mountPoint });
      active.push({ type: mount.type, mountPoint, mountedAt: this.#store.clock.now() });
      failpoint("mounts.one");
    }
    const [first, ...others] = plan.system;
    const system: Mount[] = first === undefined ? [] : [await this.#transform(first, standing, options)];
    // Were there anything for us in them, they would be ours.
    for (const { given } of others) system.push(given);
    const last = standing.at(-1);
    if (options.temporary && last !== undefined) {
      system.push({ type: "bind", source: last.mountPoint, target: "", options: ["rbind"] });
    }
    return { active, system };
  }

  async #transform(planned: PlannedMount, standing: readonly StandingMount[], options: Cancel): Promise<Mount> {
    const roots = [this.#store.root, ...standing.map(({ mountPoint }) => mountPoint)];
    let { mount } = planned;
    for (const transform of planned.transforms) {
      if (transform === "format") mount = formatMount(mount, standing);
      else if (transform === "mkdir") mount = makeDirectories(mount, roots);
      else mount = await makeFileSystem(mount, roots, options);
    }
    return mount;
  }
}

function isUsable({ ready, active }: ActivationRecord): boolean {
  return ready && isStanding(active);
}

function noActivation(name: string): ContainerdError {
  return new ContainerdError({ code: "not_found", what: `mount ${JSON.stringify(name)}` });
}

/** The mount as those after it see it. */
async function mountOn(mountPoint: string, mount: Mount, options: Cancel): Promise<Mount> {
  if (mount.type === "loop") return await attachLoop(mount, mountPoint, options);
  mkdirSync(mountPoint, { mode: 0o700 });
  await mountAll([mount], mountPoint);
  return mount;
}

function mountError(name: string, error: unknown): unknown {
  if (error instanceof Error && error.name === "AbortError") return error;
  return diskError(error, "cannot activate mounts", { name });
}
