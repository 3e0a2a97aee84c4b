import { expect, test } from "bun:test";
import type { TransferProgress } from "@ctr/client";
import { digestOf } from "@ctr/oci";
import fc from "fast-check";
import { countLines, openScreen } from "./screen.ts";
import { ProgressTree } from "./tree.ts";
import { formatTreeFrame } from "./tree-frame.ts";

const digest = digestOf(new TextEncoder().encode("index"));
const short = digest.slice(7, 19);

function told(name: string, event: string, more: Partial<TransferProgress> = {}): TransferProgress {
  return { name, event, parents: [], progress: 0n, total: 0n, descriptor: undefined, ...more };
}

function treeOf(...messages: readonly TransferProgress[]): ProgressTree {
  const tree = new ProgressTree();
  for (const message of messages) tree.take(message);
  return tree;
}

function withoutColours(text: string): string {
  return text.replaceAll("\u001b[32m", "").replaceAll("\u001b[0m", "");
}

test("formatTreeFrame() draws every state as the Go tool does", () => {
  const index = `index-${digest}`;
  const tree = treeOf(
    told("r.example/x:v1", "fetching image content", {
      descriptor: { mediaType: "application/vnd.oci.image.index.v1+json", digest, size: 5n },
    }),
    told(index, "complete", { parents: ["r.example/x:v1"], progress: 534n, total: 534n }),
    told(`manifest-v1@${digest}`, "already exists", { parents: [index] }),
    told(`layer-${digest}`, "downloading", { parents: [index], progress: 2097152n, total: 6002082n }),
    told("config-x", "waiting", { parents: [`layer-${digest}`] }),
    told("", "Pulling from OCI Registry (r.example/x:v1)"),
  );
  const full = `|${"+".repeat(38)}|`;
  expect(withoutColours(formatTreeFrame(tree, 1.24)).split("\n")).toEqual([
    "r.example/x:v1                          \tfetching image content\t",
    `└──index (${short})                 \tcomplete   \t${full}\t`,
    `   ├──manifest v1@${digest.slice(0, 22)}\talready exists\t`,
    `   └──layer (${short})              \tdownloading\t|${"+".repeat(13)}${"-".repeat(25)}|\t 2.0 MiB/5.7 MiB\t`,
    `      └──config x                       \twaiting    \t|${"-".repeat(38)}|\t`,
    `application/vnd.oci.image.index.v1+json ${digest}`,
    "Pulling from OCI Registry (r.example/x:v1)\telapsed: 1.2 s\ttotal:  2.0 Mi\t(1.6 MiB/s)\t",
    "",
  ]);
});

test("formatTreeFrame() shows a small total whole, and an image name with its dashes as blanks", () => {
  expect(formatTreeFrame(treeOf(told("import-2026-11-23:busybox", "saved"), told("", "Importing")), 0.1)).toBe(
    "import 2026 11 23:busybox               \tsaved\t\nImporting\telapsed: 0.1 s\ttotal:   0.0 B\t(0.0 B/s)\t\n",
  );
});

test("ProgressTree hangs a node where it was first put, and moves a root once its parent is known", () => {
  const tree = treeOf(
    told("b", "waiting", { parents: ["a"] }),
    told("a", "waiting"),
    told("b", "complete", { parents: ["a"] }),
    told("c", "waiting", { parents: ["a"] }),
    told("c", "complete", { parents: ["b"] }),
  );
  expect(tree.roots.map((root) => root.told.name)).toEqual(["a"]);
  expect(tree.roots[0]?.children.map((child) => `${child.told.name} ${child.told.event}`)).toEqual([
    "b complete",
    "c complete",
  ]);
});

test("a nameless event changes the state and asks for no frame", () => {
  const tree = new ProgressTree();
  expect(tree.take(told("", "Completed import"))).toBe(false);
  expect(tree.status).toBe("Completed import");
  expect(tree.take(told("x", "saved"))).toBe(true);
});

const anyMessage = fc.record({
  name: fc.oneof(fc.constantFrom("a", "b", "c", `layer-${digest}`), fc.string({ unit: "binary" })),
  event: fc.constantFrom("waiting", "downloading", "complete", "extracting", "extracted", "saved", "resolving"),
  parents: fc.array(fc.constantFrom("a", "b", "c", `layer-${digest}`), { maxLength: 3 }),
  progress: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  total: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  descriptor: fc.constant(undefined),
});

test("a name cell is 40 characters and a bar 40, whatever a daemon sends, circles and control characters included", () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 30 }), (messages) => {
      const lines = withoutColours(formatTreeFrame(treeOf(...messages), 3)).split("\n");
      expect(lines.pop()).toBe("");
      expect(lines.pop()).toContain("\telapsed: 3.0 s\ttotal: ");
      for (const line of lines) {
        const [name = "", event = "", bar, sizes = ""] = line.split("\t");
        expect([...name]).toHaveLength(40);
        if (bar) expect(bar).toMatch(/^\|\+*-*\|$/);
        if (bar) expect([bar.length, event.length]).toEqual([40, 11]);
        expect(sizes.length).toBeLessThanOrEqual(8 + 1 + 10);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
        expect(line).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
      }
    }),
  );
});

test("every node is drawn, whatever parents it names and in whatever order", () => {
  const names = fc.constantFrom("a", "b", "c", "d", "e");
  const message = fc.tuple(names, fc.array(names, { maxLength: 3 }));
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
      const tree = treeOf(...messages.map(([name, parents]) => told(name, "saved", { parents })));
      const text = formatTreeFrame(tree, 1);
      for (const [name] of messages) expect(text).toMatch(new RegExp(`(^|─)${name} +\tsaved`, "m"));
    }),
  );
});

/** What a terminal does with text: which rows it has touched. */
function drawOnTerminal(frames: readonly string[], columns: number): { readonly row: number; readonly rows: string[] } {
  let row = 0;
  let column = 0;
  const rows = [""];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: commands to the terminal begin with one
  for (const character of frames.join("").match(/\u001b\[\d*[A-Za-z]|[\s\S]/gu) ?? []) {
    if (character === "\u001b[1A") row--;
    else if (character === "\u001b[2K") rows[row] = "";
    else if (character.startsWith("\u001b[")) continue;
    else if (character === "\r") column = 0;
    else if (character === "\n") [row, column] = [row + 1, 0];
    else if (character === "\t") column = Math.max(column, Math.min(columns - 1, (Math.floor(column / 8) + 1) * 8));
    else {
      if (column === columns) [row, column] = [row + 1, 0];
      rows[row] = (rows[row] ?? "").padEnd(column) + character;
      column++;
    }
    rows[row] ??= "";
  }
  return { row, rows };
}

test("a frame erases exactly the lines of the one before, however narrow the terminal", async () => {
  const messages = fc.array(fc.record({ ...anyMessageOf("saved", "downloading", "waiting") }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(messages, fc.integer({ min: 10, max: 130 }), async (all, columns) => {
      const written: string[] = [];
      const write = async (chunk: string | Uint8Array) => void written.push(String(chunk));
      const screen = openScreen({ fd: 1, isTerminal: () => true, write }, () => columns);
      const tree = new ProgressTree();
      let last = "";
      for (const message of all) {
        if (!tree.take(message)) continue;
        last = formatTreeFrame(tree, 1);
        await screen.draw(last);
      }
      const drawn = drawOnTerminal(written, columns);
      const alone = drawOnTerminal([last], columns);
      expect(drawn.row).toBe(alone.row);
      expect(drawn.rows.slice(0, drawn.row)).toEqual(alone.rows.slice(0, alone.row));
    }),
  );
});

function anyMessageOf(...events: readonly string[]) {
  return {
    name: fc.string({ minLength: 1, maxLength: 60, unit: fc.constantFrom("a", "b", "-", "/", ":") }),
    event: fc.constantFrom(...events),
    parents: fc.constant([]),
    progress: fc.bigInt({ min: 0n, max: 2n ** 40n }),
    total: fc.bigInt({ min: 0n, max: 2n ** 40n }),
    descriptor: fc.constant(undefined),
  };
}

test("frames follow one another where there is no terminal", async () => {
  const written: string[] = [];
  const write = async (chunk: string | Uint8Array) => void written.push(String(chunk));
  const screen = openScreen({ fd: 1, isTerminal: () => false, write });
  await screen.draw("one\n");
  await screen.draw("two\n");
  expect(written).toEqual(["one\n", "two\n"]);
});

test("countLines() lets tabs run to their stops but never over the edge", () => {
  expect(countLines(`${"x".repeat(40)}\tdownloading\t${"y".repeat(16)}\n`, 80)).toBe(1);
  expect(countLines(`${"x".repeat(40)}\tdownloading\t${"y".repeat(17)}\n`, 80)).toBe(2);
  expect(countLines(`${"x".repeat(80)}\t\n`, 80)).toBe(1);
});
