import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Mount } from "@ctr/oci";
import type { Store } from "../store/store.ts";
import type { NewSnapshot, SnapshotDriver, SnapshotPlace } from "./driver.ts";
import { snapshotsDir } from "./layout.ts";

/** Each layer a directory of its own, stacked by the kernel's overlay filesystem; containerd's layout. */
export function overlayDriver(store: Pick<Store, "root">): SnapshotDriver {
  const dir = snapshotsDir(store, "overlayfs");
  const fs = (id: bigint) => join(dir, String(id), "fs");
  const work = (id: bigint) => join(dir, String(id), "work");
  return {
    name: "overlayfs",
    dir,
    capabilities: ["rebase"],
    hasCleanup: true,
    fill: async (target, snapshot) => fill(target, snapshot, fs),
    refill({ id, kind, parents }) {
      const target = join(dir, String(id));
      if (kind === "committed" || (existsSync(fs(id)) && (kind === "view" || existsSync(work(id))))) return;
      mkdirSync(target, { recursive: true, mode: 0o700 });
      fill(target, { kind, parents }, fs);
    },
    mounts: (place) => overlayMounts(place, { fs, work }),
    ownTree: ({ id, kind }) => (kind === "view" ? undefined : fs(id)),
  };
}

/** What is there already stays. */
function fill(target: string, snapshot: NewSnapshot, fs: (id: bigint) => string): void {
  const tree = join(target, "fs");
  // Recursive ones do not mind what is there.
  if (mkdirSync(tree, { recursive: true }) !== undefined) {
    // Whatever the umask: this is the container's `/`, which every user in it has to pass.
    chmodSync(tree, 0o755);
    giveOwner(tree, snapshot, fs);
  }
  if (snapshot.kind === "active") mkdirSync(join(target, "work"), { recursive: true, mode: 0o711 });
}

/** The root directory of a layer shows through as the container's `/`, so it keeps the owner of the one below. */
function giveOwner(tree: string, { parents, owner }: NewSnapshot, fs: (id: bigint) => string): void {
  const [nearest] = parents;
  const wanted = owner ?? (nearest === undefined ? undefined : statSync(fs(nearest)));
  if (wanted !== undefined && process.geteuid?.() === 0) chownSync(tree, wanted.uid, wanted.gid);
}

interface Paths {
  fs(id: bigint): string;
  work(id: bigint): string;
}

function overlayMounts({ id, kind, parents }: SnapshotPlace, { fs, work }: Paths): readonly Mount[] {
  const [nearest] = parents;
  if (kind !== "view" && nearest === undefined) return [bind(fs(id), "rw")];
  if (nearest === undefined) return [bind(fs(id), "ro")];
  if (kind === "view" && parents.length === 1) return [bind(fs(nearest), "ro")];
  const lower = `lowerdir=${parents.map(fs).join(":")}`;
  const upper = kind === "view" ? [] : [`workdir=${work(id)}`, `upperdir=${fs(id)}`];
  return [{ type: "overlay", source: "overlay", target: "", options: [...upper, lower, ...indexOff()] }];
}

function bind(source: string, access: "rw" | "ro"): Mount {
  return { type: "bind", source, target: "", options: [access, "rbind"] };
}

/** The index would refuse a layer that is lower in two mounts at once; only kernels that have it know the option. */
function indexOff(): readonly string[] {
  return existsSync("/sys/module/overlay/parameters/index") ? ["index=off"] : [];
}
