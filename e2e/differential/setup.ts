import { join } from "node:path";
import { startEngine } from "../support/engine.ts";
import { archiveOf, busyboxLayout, nginxLayout } from "../support/images.ts";
import { Pair } from "./harness.ts";

export const busybox = "docker.io/library/busybox:latest";
export const nginx = "docker.io/library/nginx:alpine";

export interface Arena extends AsyncDisposable {
  readonly pair: Pair;
  /** Scratch space of this test file. */
  readonly dir: string;
  readonly address: string;
  readonly archives: { readonly busybox: string; readonly nginx: string };
}

/** A daemon with one single-platform and one many-platform image in both namespaces, imported by the Go tool. */
export async function openArena(): Promise<Arena> {
  const daemon = await startEngine();
  const archives = { busybox: join(daemon.dir, "busybox.tar"), nginx: join(daemon.dir, "nginx.tar") };
  await archiveOf(await busyboxLayout(), archives.busybox);
  await archiveOf(await nginxLayout(), archives.nginx);
  const pair = new Pair(daemon);
  await pair.prepare(
    ["images", "import", "--base-name", "docker.io/library/busybox", archives.busybox],
    ["images", "import", "--base-name", "docker.io/library/nginx", "--all-platforms", archives.nginx],
    ["images", "tag", "docker.io/library/nginx:latest", nginx],
  );
  return {
    pair,
    dir: daemon.dir,
    address: daemon.address,
    archives,
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Opens an arena for a test file: `beforeAll(arena.open)`, `afterAll(arena.close)`. */
export function sharedArena() {
  let arena: Arena | undefined;
  return {
    open: async () => {
      arena = await openArena();
    },
    close: async () => {
      await arena?.[Symbol.asyncDispose]();
    },
    get now(): Arena {
      if (!arena) throw new Error("the arena is not open");
      return arena;
    },
  };
}
