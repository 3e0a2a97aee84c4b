import { join } from "node:path";
import { mustRun } from "../../e2e/support/process.ts";
import type { Arena } from "../arena.ts";
import { type Case, quietly } from "../case.ts";

const BYTES = "1G";
const file = (arena: Arena) => join(arena.dir, "blob");
let digest = "";

async function makeBlob(arena: Arena): Promise<void> {
  await mustRun(["sh", "-c", `head -c ${BYTES} /dev/urandom >${file(arena)}`]);
  digest = `sha256:${(await mustRun(["sha256sum", file(arena)])).split(" ")[0]}`;
}

export const content: readonly Case[] = [
  {
    name: "`content ingest` of 1 GiB",
    goals: { embedded: 0.15, ours: 1 },
    rounds: 3,
    setUp: makeBlob,
    run: (arena, who) =>
      quietly(arena.command(who, "content", "ingest", "--expected-digest", digest, "bench"), file(arena)),
    async after(arena, who) {
      await arena.ctr(who, "content", "rm", digest);
      // containerd lends a blob that any of its namespaces has: it has to be gone before the next turn.
      await arena.ctr(who, "leases", "create", "--id", "gone");
      await arena.ctr(who, "leases", "rm", "--sync", "gone");
      await quietly(["sync", "-f", arena.dir]);
    },
  },
  {
    name: "`content get` of 1 GiB",
    goals: { embedded: 0.15, ours: 1 },
    rounds: 3,
    async setUp(arena) {
      for (const who of ["embedded", "ours", "go"] as const) {
        await arena.ctr(who, "leases", "create", "--id", "bench");
        await quietly(arena.command(who, "content", "ingest", "--expected-digest", digest, "bench"), file(arena));
        await arena.ctr(who, "content", "label", digest, "containerd.io/gc.root=bench");
      }
    },
    run: (arena, who) => quietly(arena.command(who, "content", "get", digest)),
    async tearDown(arena) {
      for (const who of ["embedded", "ours", "go"] as const) await arena.ctr(who, "content", "rm", digest);
    },
  },
];
