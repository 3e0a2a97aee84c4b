import { ErrnoError, openTree, type Tree, type TreeDirectory, type TreeStat } from "@ctr/sys";

/** An entry of a lower directory. */
export interface LowerEntry {
  readonly tree: Tree;
  readonly dir: TreeDirectory;
  readonly stat: TreeStat;
}

/** The lower directories of an overlay, opened when first looked at. */
export class LowerTrees implements Disposable {
  readonly #dirs: readonly string[];
  readonly #trees: (Tree | undefined)[] = [];

  constructor(dirs: readonly string[]) {
    this.#dirs = dirs;
  }

  /**
   * What the topmost directory that knows `name` in `parent` has there; `undefined` where it is gone or never was.
   * Links in `parent` are followed inside that directory.
   */
  find(parent: string, name: string): LowerEntry | undefined {
    for (let index = 0; index < this.#dirs.length; index++) {
      const tree = this.#tree(index);
      const dir = openIfThere(tree, parent);
      if (dir === undefined) continue;
      const stat = tree.stat(dir, name);
      if (stat !== undefined) return isOverlayWhiteout(stat) ? undefined : { tree, dir, stat };
      if (isOpaque(tree, dir)) return undefined;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const tree of this.#trees) tree?.[Symbol.dispose]();
  }

  #tree(index: number): Tree {
    let tree = this.#trees[index];
    if (tree === undefined) {
      tree = openTree(this.#dirs[index] ?? "");
      this.#trees[index] = tree;
    }
    return tree;
  }
}

export const OVERLAY_OPAQUE = "trusted.overlay.opaque";

/** A character device 0:0, which overlayfs takes for a removed name. */
export function isOverlayWhiteout(stat: TreeStat): boolean {
  return stat.kind === "character" && stat.major === 0 && stat.minor === 0;
}

/** Whether overlayfs shows nothing of the layers below in this directory. */
export function isOpaque(tree: Tree, dir: TreeDirectory): boolean {
  return tree.xattr(dir, "", OVERLAY_OPAQUE)?.value[0] === 0x79;
}

/** The directory at `path`; `undefined` where there is none. */
export function openIfThere(tree: Tree, path: string): TreeDirectory | undefined {
  try {
    return tree.open(path);
  } catch (error) {
    if (error instanceof ErrnoError && ["ENOENT", "ENOTDIR"].includes(error.code)) return undefined;
    throw error;
  }
}
