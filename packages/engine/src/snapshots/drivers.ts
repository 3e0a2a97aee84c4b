import { ContainerdError } from "@ctr/api";
import type { Store } from "../store/store.ts";
import type { SnapshotDriver } from "./driver.ts";
import { nativeDriver } from "./native.ts";
import { overlayDriver } from "./overlay.ts";

/** Every snapshotter of a store's own, the default one first: overlay mounts need privilege, copies do not. */
export function snapshotDrivers(store: Pick<Store, "root">): readonly SnapshotDriver[] {
  const both = [overlayDriver(store), nativeDriver(store)];
  return process.geteuid?.() === 0 ? both : both.toReversed();
}

/** The driver of a name; undefined where it is not one of the engine's own. */
export function findDriver(store: Pick<Store, "root">, name: string): SnapshotDriver | undefined {
  return snapshotDrivers(store).find((candidate) => candidate.name === name);
}

/** The driver of a name; `invalid_argument` for one that is not there. */
export function snapshotDriver(store: Pick<Store, "root">, name: string): SnapshotDriver {
  const driver = findDriver(store, name);
  if (driver !== undefined) return driver;
  throw snapshotterNotLoaded(name);
}

export function snapshotterNotLoaded(name: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: `snapshotter not loaded: ${name}` });
}
