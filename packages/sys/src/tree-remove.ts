import { check, type TreeLibc } from "./tree-calls.ts";
import type { TreeDirectories } from "./tree-directories.ts";
import type { DirectoryLister } from "./tree-list.ts";

const AT_REMOVEDIR = 0x200;
const ENOENT = 2;
const EPERM = 1;
const EISDIR = 21;

/** What removing needs of a tree. */
export interface RemoveTools {
  readonly libc: TreeLibc;
  readonly directories: TreeDirectories;
  readonly lister: DirectoryLister;
}

/** A directory being emptied. */
interface Level {
  readonly fd: number;
  readonly name: string;
  readonly todo: string[];
}

/**
 * Removes `name` in the directory `parent` with all that is below it, never following a link; nothing there is no
 * error. Holds one descriptor per level, so that a directory moved away meanwhile leads nowhere else.
 */
export function removeEntry(tools: RemoveTools, parent: number, name: string): void {
  if (unlinkOne(tools, parent, name)) return;
  const levels: Level[] = [];
  try {
    levels.push(descend(tools, parent, name));
    while (levels.length > 0) removeNext(tools, parent, levels);
  } finally {
    for (const { fd } of levels) tools.directories.close(fd);
  }
}

/** Takes one step at the deepest level: removes an entry, goes down, or removes the level itself. */
function removeNext(tools: RemoveTools, top: number, levels: Level[]): void {
  const level = levels[levels.length - 1];
  if (level === undefined) return;
  const name = level.todo.pop();
  if (name !== undefined) {
    if (!unlinkOne(tools, level.fd, name)) levels.push(descend(tools, level.fd, name));
    return;
  }
  levels.pop();
  tools.directories.close(level.fd);
  const parent = levels[levels.length - 1]?.fd ?? top;
  const result = tools.libc.try("unlinkat", parent, tools.libc.text(level.name), AT_REMOVEDIR);
  if (result !== -ENOENT) check("rmdir", result, level.name);
}

function descend(tools: RemoveTools, parent: number, name: string): Level {
  const fd = check("open", tools.directories.enter(parent, name), name);
  try {
    return { fd, name, todo: tools.lister.list(fd) };
  } catch (error) {
    tools.directories.close(fd);
    throw error;
  }
}

/** False when it is a directory, which unlink leaves alone. */
function unlinkOne(tools: RemoveTools, parent: number, name: string): boolean {
  const result = tools.libc.try("unlinkat", parent, tools.libc.text(name), 0);
  if (result === 0 || result === -ENOENT) return true;
  // Linux says EISDIR, POSIX EPERM; an immutable file says EPERM too, and opening it as a directory then fails.
  if (result === -EISDIR || result === -EPERM) return false;
  check("unlink", result, name);
  return true;
}
