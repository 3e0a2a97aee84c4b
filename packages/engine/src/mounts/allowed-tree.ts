import { isAbsolute, normalize } from "node:path";
import { ContainerdError } from "@ctr/api";
import { openTree, type Tree } from "@ctr/sys";

/** A path inside a directory that is ours, for writing there. */
export interface AllowedPlace extends Disposable {
  readonly tree: Tree;
  /** A byte string, relative to the tree. */
  readonly path: string;
}

/**
 * Opens the innermost of the `roots` that `path` is below. What is in them may be an image's: nothing of it leads
 * outside. `permission_denied` for a path that is below none.
 */
export function openAllowed(roots: readonly string[], path: string): AllowedPlace {
  const clean = normalize(path).replace(/\/+$/, "");
  const [root] = roots
    .filter((candidate) => isAbsolute(clean) && clean.startsWith(`${candidate}/`))
    .sort((one, other) => other.length - one.length);
  if (root === undefined) {
    const why = "it is neither in the store nor in what was mounted for it";
    throw new ContainerdError({ code: "permission_denied", what: `cannot make ${path}`, why });
  }
  const tree = openTree(root);
  const below = Buffer.from(clean.slice(root.length + 1), "utf8").toString("latin1");
  return { tree, path: below, [Symbol.dispose]: () => tree[Symbol.dispose]() };
}
