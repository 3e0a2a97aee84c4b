import { chmodSync, chownSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import type { Store } from "../store/store.ts";
import type { SnapshotDriver, SnapshotPlace } from "./driver.ts";
import { snapshotsDir } from "./layout.ts";

/** Each snapshot a full copy: works on every filesystem and for every user. */
export function nativeDriver(store: Pick<Store, "root">): SnapshotDriver {
  const dir = snapshotsDir(store, "native");
  const tree = (id: bigint) => join(dir, String(id));
  return {
    name: "native",
    dir,
    capabilities: [],
    hasCleanup: false,
    async fill(target, { kind, parents, owner }, { signal }) {
      const [nearest] = parents;
      chmodSync(target, 0o755);
      if (nearest !== undefined && kind === "active") await copyTree(tree(nearest), target, signal);
      if (owner !== undefined) chownSync(target, owner.uid, owner.gid);
    },
    mounts: (place) => [bind(place, tree)],
    ownTree: ({ id, kind, parents }) => (kind === "view" && parents.length > 0 ? undefined : tree(id)),
  };
}

function bind({ id, kind, parents }: SnapshotPlace, tree: (id: bigint) => string): Mount {
  const [nearest] = parents;
  // A view with a parent has nothing of its own: it shows the parent.
  const source = kind === "view" && nearest !== undefined ? tree(nearest) : tree(id);
  return { type: "bind", source, target: "", options: ["rbind", kind === "view" ? "ro" : "rw"] };
}

/**
 * `cp` knows links, devices, holes, attributes and copying by reference; and no name passes through text here. The copy
 * is on disk before anybody hears of it: half of an image would look like all of it.
 */
async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  await runTool(["cp", "-a", "--reflink=auto", "--", `${from}/.`, to], from, signal);
  await runTool(["sync", "-f", "--", to], from, signal);
}

async function runTool(argv: readonly [string, ...string[]], from: string, signal: AbortSignal): Promise<void> {
  const tool = Bun.spawn([...argv], {
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    signal,
  });
  const [status, stderr] = await Promise.all([tool.exited, new Response(tool.stderr).text()]);
  signal.throwIfAborted();
  if (status === 0) return;
  const why = stderr.trim().split("\n")[0] ?? `${argv[0]} ended with ${status}`;
  throw new ContainerdError({ code: "internal", what: "cannot copy the parent snapshot", where: { from }, why });
}
