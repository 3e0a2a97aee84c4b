import { openTree, type Tree, type TreeDirectory, type TreeMetadata, type TreeStat, type Xattr } from "@ctr/sys";
import { LowerTrees, openIfThere } from "./lower-trees.ts";

/** Mode of a directory that no layer describes. */
export const IMPLIED_MODE = 0o755;

/**
 * Gives `name` in `dir`, a directory that a layer only implies, what the layers below have there. Returns what it got;
 * `undefined` where they have no directory of that name.
 */
export function inheritDirectory(
  tree: Tree,
  dir: TreeDirectory,
  name: string,
  lower: LowerTrees,
): TreeMetadata | undefined {
  const found = directoryBelow(lower, dir.path, name);
  if (found === undefined) return undefined;
  const { uid, gid, mode, mtime, atime } = found.stat;
  const xattrs = found.xattrs.filter((xattr) => !xattr.name.startsWith("trusted."));
  const meta = { owner: { uid, gid }, mode, mtime, atime, xattrs };
  tree.setMetadata(dir, name, meta, () => false);
  return meta;
}

interface DirectoryBelow {
  readonly stat: TreeStat;
  readonly xattrs: readonly Xattr[];
}

/** A link below stands for the directory it leads to, as at containerd. */
function directoryBelow(lower: LowerTrees, parent: string, name: string): DirectoryBelow | undefined {
  const found = lower.find(parent, name);
  if (found?.stat.kind === "directory") return { stat: found.stat, xattrs: found.tree.xattrs(found.dir, name) };
  if (found?.stat.kind !== "symlink") return undefined;
  const target = openIfThere(found.tree, found.dir.path === "" ? name : `${found.dir.path}/${name}`);
  const stat = target && found.tree.stat(target, "");
  return target === undefined || stat === undefined ? undefined : { stat, xattrs: found.tree.xattrs(target, "") };
}

/**
 * Does for `implied`, the directories `applyLayer` told of, what it could not do while the layers below were not there
 * yet; to be called when they are, before the snapshot is committed. `lower` is topmost first.
 */
export function completeImplied(dir: string, lower: readonly string[], implied: readonly string[]): void {
  using tree = openTree(dir);
  using trees = new LowerTrees(lower);
  for (const path of implied) {
    const slash = path.lastIndexOf("/");
    const dir = tree.open(path.slice(0, Math.max(slash, 0)));
    // The layer itself may have replaced it later on.
    if (tree.kind(dir, path.slice(slash + 1)) !== "directory") continue;
    const meta = inheritDirectory(tree, dir, path.slice(slash + 1), trees);
    if (meta !== undefined) tree.setTimes(dir, path.slice(slash + 1), meta);
  }
}
