import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError, services, toStatus } from "@ctr/api";
import { SNAPSHOT_REF_LABEL } from "@ctr/oci";
import { registerService, serveH2c } from "@ctr/rpc";
import { scopeOf } from "../scope.ts";
import { snapshotsService } from "../services/snapshots.ts";
import { openSnapshotter } from "../snapshots/snapshotters.ts";
import type { Store } from "../store/store.ts";
import { openTestStore } from "./test-store.ts";

/** A snapshotter daemon for one test: another store of ours, served by the one service. */
export interface TestDaemon extends AsyncDisposable {
  readonly store: Store;
  readonly address: string;
}

export interface TestDaemonOptions {
  /**
   * Has every layer by itself, as a snapshotter that fetches lazily: the target of an extraction is there at once. As
   * those do, it keeps one space for all namespaces, and the key as it was when the target was there before.
   */
  readonly lazy?: boolean;
}

export async function serveSnapshots(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const stack = new AsyncDisposableStack();
  const store = stack.use(openTestStore());
  const own = snapshotsService({
    of: (context, name) => {
      const { namespace } = scopeOf(context);
      const scope = { namespace: options.lazy === true ? "all" : namespace, lease: undefined };
      return openSnapshotter(store, scope, name);
    },
  });
  const prepare: typeof own.prepare = async (req, context) => {
    const target = req.labels[SNAPSHOT_REF_LABEL];
    if (options.lazy !== true || target === undefined) return own.prepare(req, context);
    const { [SNAPSHOT_REF_LABEL]: _target, ...labels } = req.labels;
    await own.prepare({ ...req, labels }, context);
    await own.commit({ ...req, name: target, parent: "" }, context);
    throw new ContainerdError({ code: "already_exists", what: `target snapshot ${target}` });
  };
  const address = join(store.root, "snapshots.sock");
  const service = registerService(await services.snapshots(), { ...own, prepare });
  const { signal } = new AbortController();
  stack.use(await serveH2c({ path: address, services: [service], toStatus, signal }));
  return { store, address, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Gives a store the native snapshotter of a daemon, as `far`. */
export function useDaemon(store: Pick<Store, "root">, address: string): void {
  const text = `[proxy_plugins.far]\ntype = "snapshot"\naddress = "${address}"\nsnapshotter = "native"\n`;
  writeFileSync(join(store.root, "config.toml"), text);
}
