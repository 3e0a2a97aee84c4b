import { defineCommand } from "../../command.ts";
import type { tree } from "../../table/snapshots.ts";

/** `ctr snapshots tree`: every snapshot below its parent. */
export const treeCommand = defineCommand<typeof tree>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const found: { readonly name: string; readonly parent: string }[] = [];
    for await (const info of client.snapshots(flags.snapshotter).walk([], { signal })) found.push(info);
    await stdout.write(formatTree(found));
  },
});

interface Node {
  readonly name: string;
  parent: string;
  readonly children: Node[];
}

/** One line per snapshot, two blanks deeper per level. Roots come in the order in which anything names them. */
export function formatTree(snapshots: readonly { readonly name: string; readonly parent: string }[]): string {
  const nodes = new Map<string, Node>();
  const node = (name: string): Node => {
    const known = nodes.get(name) ?? { name, parent: "", children: [] };
    nodes.set(name, known);
    return known;
  };
  for (const { name, parent } of snapshots) {
    // Naming the parent first puts it where its child would stand.
    if (parent !== "") node(parent).children.push(node(name));
    node(name).parent = parent;
  }
  const roots = [...nodes.values()].filter(({ parent }) => parent === "");
  return roots.map((root) => formatNode(root, 0)).join("");
}

function formatNode({ name, children }: Node, depth: number): string {
  const line = depth === 0 ? ` ${name}\n` : ` ${"  ".repeat(depth - 1)} \\_ ${name}\n`;
  return line + children.map((child) => formatNode(child, depth + 1)).join("");
}
