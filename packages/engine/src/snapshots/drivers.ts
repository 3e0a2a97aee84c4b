import { ContainerdError } from "@ctr/api";
import type { Store } from "../store/store.ts";
import type { SnapshotDriver } from "./driver.ts";
import { nativeDriver } from "./native.ts";
import { overlayDriver } from "./overlay.ts";

/** Every snapshotter of a store, the default one first: overlay mounts need privilege, copies do not. */
export function snapshotDrivers(store: Pick<Store, "root">): readonly SnapshotDriver[] {
  const both = [overlayDriver(store), nativeDriver(store)];
  return process.geteuid?.() === 0 ? both : both.toReversed();
}

/** The driver of a name; `invalid_argument` for one that is not there. */
export function snapshotDriver(store: Pick<Store, "root">, name: string): SnapshotDriver {
  const driver = snapshotDrivers(store).find((candidate) => candidate.name === name);
  if (driver !== undefined) return driver;
  throw new ContainerdError({ code: "invalid_argument", what: `snapshotter not loaded: ${name}` });
}
