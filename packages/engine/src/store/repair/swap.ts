import { chmodSync, existsSync, linkSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { failpoint } from "../../failpoint.ts";
import { CUT_OFF, findLogFault } from "../log-file.ts";

/**
 * Puts `fresh` in the place of the database at `path`; the old one is kept beside it, under the name that is returned.
 * Meanwhile a mark is where the write-ahead log is looked for, and nobody opens the database: neither the old one
 * without its log, nor the new one with the old one's. What a process leaves that dies in here, `takeBack` undoes.
 */
export async function swap(path: string, fresh: string): Promise<string> {
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(":", "")}`;
  const log = `${path}-wal`;
  linkSync(path, aside);
  if (existsSync(log)) linkSync(log, `${aside}-wal`);
  failpoint("repair.aside");
  const mark = `${fresh}-mark`;
  writeFileSync(mark, CUT_OFF, { mode: 0o600 });
  renameSync(mark, log);
  await syncFile(dirname(path));
  failpoint("repair.marked");
  // The index of the log, which SQLite makes anew from it.
  rmSync(`${path}-shm`, { force: true });
  chmodSync(fresh, 0o600);
  renameSync(fresh, path);
  await syncFile(dirname(path));
  failpoint("repair.swapped");
  rmSync(log);
  return aside;
}

/** Brings a database and its log back to where a repair that was cut off found them; one that had come through is ended. */
export function takeBack(path: string): void {
  const log = `${path}-wal`;
  const { ino } = statSync(path);
  const dir = dirname(path);
  const asides = readdirSync(dir).filter((name) => name.startsWith(`${basename(path)}.damaged-`));
  const mine = asides.find((name) => !name.endsWith("-wal") && statSync(join(dir, name)).ino === ino);
  const marked = findLogFault(path)?.startsWith(CUT_OFF) === true;
  if (mine === undefined) {
    if (marked) rmSync(log);
    return;
  }
  const old = join(dir, `${mine}-wal`);
  if (existsSync(old)) renameSync(old, log);
  else if (marked) rmSync(log);
  // Where both names are the same file already, rename leaves both.
  rmSync(old, { force: true });
  rmSync(join(dir, mine));
}

export async function syncFile(path: string): Promise<void> {
  await using file = await open(path);
  await file.sync();
}
