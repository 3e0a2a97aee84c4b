import { join } from "node:path";
import { archiveOf, busyboxLayout } from "../../e2e/support/images.ts";
import { contestants } from "../arena.ts";
import { type Case, quietly } from "../case.ts";

/** Short commands, where starting the program is most of the time. */
const short = (words: readonly string[], embedded: number): Case => ({
  name: `\`${words.join(" ")}\``,
  goals: { embedded, ours: 1 },
  rounds: 60,
  async setUp(arena) {
    const archive = join(arena.dir, "short.tar");
    await archiveOf(await busyboxLayout(), archive);
    for (const who of contestants) await arena.ctr(who, "images", "import", "--no-unpack", archive);
  },
  run: (arena, who) => quietly(arena.command(who, ...words)),
});

export const startUp: readonly Case[] = [
  short(["--version"], 0.7),
  short(["version"], 0.7),
  short(["ns", "ls"], 0.7),
  short(["images", "ls"], 0.7),
  short(["containers", "ls"], 0.7),
  short(["content", "ls"], 0.7),
];
