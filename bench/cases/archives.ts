import { rm } from "node:fs/promises";
import { join } from "node:path";
import { archiveOf } from "../../e2e/support/images.ts";
import type { Arena, Contestant } from "../arena.ts";
import { type Case, quietly } from "../case.ts";
import { benchImage } from "../images.ts";
import { removeImage } from "./pulls.ts";

const IMAGE = "docker.io/bench/large:latest";
const archive = (arena: Arena) => join(arena.dir, "large.tar");
const importImage = (arena: Arena, who: Contestant) =>
  quietly(arena.command(who, "images", "import", "--base-name", "docker.io/bench/large", archive(arena)));
const outOf = (arena: Arena, who: Contestant) => join(arena.dir, `${who}.tar`);

export const archives: readonly Case[] = [
  {
    name: "import with unpack, 864 MB unpacked",
    goals: { embedded: 0.45, ours: 1 },
    rounds: 5,
    setUp: async (arena) => archiveOf(await benchImage("large"), archive(arena)),
    run: importImage,
    after: (arena, who) => removeImage(arena, who, IMAGE),
  },
  {
    name: "export of the same",
    goals: { embedded: 0.7, ours: 1 },
    rounds: 5,
    async setUp(arena) {
      await archiveOf(await benchImage("large"), archive(arena));
      for (const who of ["embedded", "ours", "go"] as const) await importImage(arena, who);
    },
    run: (arena, who) => quietly(arena.command(who, "images", "export", outOf(arena, who), IMAGE)),
    after: (arena, who) => rm(outOf(arena, who), { force: true }),
    async tearDown(arena) {
      for (const who of ["embedded", "ours", "go"] as const) await removeImage(arena, who, IMAGE);
      await rm(archive(arena), { force: true });
    },
  },
];
