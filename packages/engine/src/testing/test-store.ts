import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../store/clock.ts";
import { openStore, type Store } from "../store/store.ts";

/** A store of its own for one test; disposing deletes it. */
export function openTestStore(options: { readonly clock?: Clock } = {}): Store {
  const dir = mkdtempSync(join(tmpdir(), "ctr-store-"));
  const store = openStore(join(dir, "root"), { stateParent: join(dir, "run"), ...options });
  return {
    ...store,
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
