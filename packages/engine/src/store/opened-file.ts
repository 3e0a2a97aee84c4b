import { fstatSync, readdirSync, statSync } from "node:fs";
import { ContainerdError } from "@ctr/api";

/** A file that is open in this process, and the directory it is in. */
export interface OpenedFile {
  /** `failed_precondition` unless both paths still name what they named. */
  check(): void;
}

interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Remembers which file and which directory `path` names. The file has to be open already, and is looked for among what
 * this process has open: so nothing can have taken its place between its opening and this call.
 */
export function openedFile(path: string): OpenedFile {
  const dir = path.slice(0, path.lastIndexOf("/"));
  const file = identityOf(path);
  const root = identityOf(dir);
  if (root === undefined) throw moved(dir);
  if (file === undefined || !isOpenHere(file)) throw replaced(path);
  return {
    check() {
      if (!isSame(identityOf(dir), root)) throw moved(dir);
      if (!isSame(identityOf(path), file)) throw replaced(path);
    },
  };
}

function identityOf(path: string | number): Identity | undefined {
  if (typeof path === "number") return fstatSync(path, { bigint: true });
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function isSame(one: Identity | undefined, other: Identity): boolean {
  return one !== undefined && one.dev === other.dev && one.ino === other.ino;
}

function isOpenHere(file: Identity): boolean {
  const names = readdirSync("/proc/self/fd");
  return names.some((name) => {
    try {
      return isSame(identityOf(Number(name)), file);
    } catch {
      // The descriptor that listed the directory is gone by now; others may be closed by their threads.
      return false;
    }
  });
}

/** A root that was mounted over, or moved, while it was open would be written where nobody looks for it. */
function moved(root: string): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot write to the store",
    where: { root },
    why: "the directory is not the one that was opened: something was mounted over it, or it was moved",
  });
}

/** A database that was rebuilt meanwhile: nobody would read what is written to the old file. */
function replaced(path: string): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot write database",
    where: { path },
    why: "the file is not the one that was opened: it was repaired, or restored",
    fix: "run the command again",
  });
}
