import { join, resolve } from "node:path";
import { startServe } from "../../e2e/support/engine.ts";
import { buildGo } from "../../e2e/support/go.ts";
import type { Arena, Contestant } from "../arena.ts";
import { type Case, quietly } from "../case.ts";

const TIMES = "1000";
let program = "";
let server: Awaited<ReturnType<typeof startServe>> | undefined;

const addressOf = (arena: Arena, who: Contestant) =>
  (who === "embedded" ? server?.address : arena.daemon.address) ?? "";

/** What a foreign client gets: the same Go program on `ctr serve` and on containerd. */
export const snapshots: readonly Case[] = [
  {
    name: `snapshot prepare and remove, ${TIMES} times by a Go client`,
    goals: { embedded: 1 },
    rounds: 7,
    who: ["embedded", "go"],
    async setUp(arena) {
      program = await buildGo(resolve(import.meta.dir, "../snapshots.go"), join(arena.dir, "snapshots"));
      server = await startServe({ root: arena.root });
    },
    run: (arena, who) => quietly([program, addressOf(arena, who), TIMES]),
    async tearDown() {
      await server?.[Symbol.asyncDispose]();
    },
  },
];
