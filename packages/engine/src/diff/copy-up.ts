import type { Tree, TreeDirectory } from "@ctr/sys";
import type { LayerPath } from "./layer-path.ts";
import { isOverlayWhiteout, type LowerEntry, type LowerTrees } from "./lower-trees.ts";
import { tarFault } from "./tar-fault.ts";

export interface CopyUpTools {
  readonly tree: Tree;
  readonly lower: LowerTrees;
  readonly openParent: (path: string) => TreeDirectory;
}

/**
 * Makes sure that what a hard link of an overlay's layer points at is in the upper directory: where only a layer below
 * has it, it is copied, as overlayfs does before it links. (containerd fails there.) A target that nobody has is left
 * for linkat to complain about; one this layer removed is refused.
 */
export function copyUp(tools: CopyUpTools, target: LayerPath): void {
  const { tree, lower } = tools;
  const dir = tools.openParent(target.parent);
  const here = tree.stat(dir, target.base);
  if (here !== undefined) {
    if (isOverlayWhiteout(here)) throw linkToRemoved();
    return;
  }
  const found = lower.find(dir.path, target.base);
  if (found === undefined) return;
  copyEntry(tree, dir, target.base, found);
}

/** The error for a hard link to what the same layer takes away. */
export function linkToRemoved(): Error {
  return tarFault("hard link to a name that this layer removes");
}

function copyEntry(tree: Tree, dir: TreeDirectory, name: string, from: LowerEntry): void {
  const { kind, major, minor } = from.stat;
  switch (kind) {
    case "file":
      copyFile(tree, dir, name, from);
      break;
    case "symlink":
      tree.symlink(dir, name, from.tree.readLink(from.dir, name));
      break;
    case "fifo":
    case "character":
    case "block":
      tree.makeNode(dir, name, { kind, major, minor });
      break;
    default:
      throw tarFault(`hard link to a ${kind}`);
  }
  const { uid, gid, mode, mtime, atime } = from.stat;
  const xattrs = from.tree.xattrs(from.dir, name).filter((xattr) => !xattr.name.startsWith("trusted."));
  tree.setMetadata(dir, name, { owner: { uid, gid }, mode, mtime, atime, xattrs }, () => false);
}

const COPY_BYTES = 256 * 1024;

function copyFile(tree: Tree, dir: TreeDirectory, name: string, from: LowerEntry): void {
  const { readSync } = process.getBuiltinModule("node:fs");
  const source = from.tree.openFile(from.dir, name);
  try {
    const fd = tree.createFile(dir, name);
    if (fd === undefined) throw tarFault("hard link target appeared meanwhile");
    try {
      const buffer = Buffer.alloc(COPY_BYTES);
      const pointer = tree.pointer(buffer);
      for (let length = readSync(source, buffer); length > 0; length = readSync(source, buffer)) {
        tree.write(fd, pointer, length);
      }
    } finally {
      tree.close(fd);
    }
  } finally {
    from.tree.close(source);
  }
}
