import { join } from "node:path";
import { archiveOf, busyboxLayout } from "../../e2e/support/images.ts";
import { type Arena, contestants } from "../arena.ts";
import { type Case, quietly } from "../case.ts";

const IMAGE = "docker.io/library/busybox:latest";
const AT_ONCE = 20;
/** A process that just changed cgroups saves the next one the kernel's wait, whoever's that is (decision 18). */
const APART_MS = 50;
let made = 0;

async function importBusybox(arena: Arena): Promise<void> {
  const archive = join(arena.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  for (const who of contestants)
    await arena.ctr(who, "images", "import", "--base-name", "docker.io/library/busybox", archive);
}

const ids = Array.from({ length: AT_ONCE }, (_, at) => `many-${at}`);

export const containers: readonly Case[] = [
  {
    name: "`run --rm IMAGE ID true`",
    goals: { embedded: 0.6, ours: 1 },
    rounds: 25,
    setUp: importBusybox,
    run: (arena, who) => quietly(arena.command(who, "run", "--rm", IMAGE, `c${++made}`, "true")),
    after: () => Bun.sleep(APART_MS),
  },
  {
    name: "20 detached starts at once",
    goals: { embedded: 0.7, ours: 1 },
    rounds: 7,
    async run(arena, who) {
      await Promise.all(ids.map((id) => quietly(arena.command(who, "run", "-d", IMAGE, id, "sleep", "1000"))));
    },
    async after(arena, who) {
      await arena.ctr(who, "tasks", "rm", "-f", ...ids);
      await arena.ctr(who, "containers", "rm", ...ids);
    },
  },
  {
    name: "`tasks exec` of `true`",
    goals: { embedded: 0.8, ours: 1 },
    rounds: 25,
    async setUp(arena) {
      for (const who of contestants) await arena.ctr(who, "run", "-d", IMAGE, "held", "sleep", "1000");
    },
    run: (arena, who) => quietly(arena.command(who, "tasks", "exec", "--exec-id", `e${++made}`, "held", "true")),
    after: () => Bun.sleep(APART_MS),
    async tearDown(arena) {
      for (const who of contestants) {
        await arena.ctr(who, "tasks", "rm", "-f", "held");
        await arena.ctr(who, "containers", "rm", "held");
        await arena.ctr(who, "images", "rm", "--sync", IMAGE);
      }
    },
  },
];
