import { Pair } from "./harness.ts";
export declare const busybox = "docker.io/library/busybox:latest";
export declare const nginx = "docker.io/library/nginx:alpine";
export interface Arena extends AsyncDisposable {
  readonly pair: Pair;
  /** Scratch space of this test file. */
  readonly dir: string;
  readonly address: string;
  readonly archives: {
    readonly busybox: string;
    readonly nginx: string;
  };
}
/** A daemon with one single-platform and one many-platform image in both namespaces, imported by the Go tool. */
export declare function openArena(): Promise<Arena>;
/** Opens an arena for a test file: `beforeAll(arena.open)`, `afterAll(arena.close)`. */
export declare function sharedArena(): {
  open: () => Promise<void>;
  close: () => Promise<void>;
  readonly now: Arena;
};
