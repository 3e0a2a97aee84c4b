import { isDigest } from "@ctr/oci";
import { formatIec } from "../units.ts";
import { formatBar } from "./frame.ts";
import type { ProgressNode, ProgressTree } from "./tree.ts";

const NAME_WIDTH = 40;
const EVENT_WIDTH = 11;
/** Hex digits of a digest that a name shows. */
const SHORT_DIGEST = 12;

const BRANCH = { middle: "├──", last: "└──" } as const;
const BELOW = { middle: "│  ", last: "   " } as const;

/** A frame of a transfer by the daemon: a line per node, the targets, then state, time, bytes and rate. */
export function formatTreeFrame(tree: ProgressTree, elapsedSeconds: number): string {
  const lines = tree.roots.flatMap((root) => formatNode(root, "", ""));
  const targets = tree.roots.flatMap(({ told: { descriptor } }) =>
    descriptor === undefined ? [] : [`${printable(descriptor.mediaType)} ${descriptor.digest}`],
  );
  return [...lines, ...targets, formatSummary(tree, elapsedSeconds), ""].join("\n");
}

function formatNode(node: ProgressNode, prefix: string, below: string): readonly string[] {
  const children = node.children.flatMap((child, index) => {
    const place = index === node.children.length - 1 ? "last" : "middle";
    return formatNode(child, below + BRANCH[place], below + BELOW[place]);
  });
  return [formatLine(node, prefix), ...children];
}

function formatLine({ told }: ProgressNode, prefix: string): string {
  const name = formatCell(prefix + formatNodeName(told.name));
  const event = printable(told.event);
  const bar = barOf(event, told.progress, told.total);
  if (bar === undefined) return `${name}\t${event}\t`;
  const sizes = moving.includes(event) ? `\t${formatSizes(told.progress, told.total)}` : "";
  return `${name}\t${event.padEnd(EVENT_WIDTH)}\t${bar}${sizes}\t`;
}

const moving: readonly string[] = ["downloading", "uploading", "extracting"];
const begun: readonly string[] = ["waiting", "resolving"];
const ended: readonly string[] = ["complete", "extracted"];

function barOf(event: string, progress: bigint, total: bigint): string | undefined {
  if (moving.includes(event)) return formatBar(total > 0n ? Number(progress) / Number(total) : 0);
  if (begun.includes(event)) return formatBar(0);
  return ended.includes(event) ? formatBar(1) : undefined;
}

/** `%8.8s/%s`. */
function formatSizes(progress: bigint, total: bigint): string {
  return `${formatIec(progress).slice(0, 8).padStart(8)}/${formatIec(total)}`;
}

/** `%-40.40s`: exactly 40 characters, whatever the name. */
function formatCell(text: string): string {
  const characters = [...text];
  return characters.slice(0, NAME_WIDTH).join("") + " ".repeat(Math.max(0, NAME_WIDTH - characters.length));
}

/** `layer-sha256:7dac4f74490b…` as `layer (7dac4f74490b)`; every `-` turns into a blank. */
function formatNodeName(name: string): string {
  return printable(name).split("-").map(shortenDigest).join(" ");
}

function shortenDigest(text: string): string {
  if (!isDigest(text)) return text;
  const hex = text.slice(text.indexOf(":") + 1);
  return `(${hex.slice(0, SHORT_DIGEST)})`;
}

/** The total is cut to six characters, as the Go tool cuts it: `1.0 MiB` shows as `1.0 Mi`. */
function formatSummary(tree: ProgressTree, elapsedSeconds: number): string {
  const rate = Number(tree.transferred) / Math.max(elapsedSeconds, 0.001);
  const total = formatIec(tree.transferred).slice(0, 6).padStart(7);
  const elapsed = elapsedSeconds.toFixed(1).padEnd(4);
  return `${printable(tree.status)}\telapsed: ${elapsed}s\ttotal: ${total}\t(${formatIec(rate)}/s)\t`;
}

/** Names come out of images that strangers made: what would command the terminal shows as `?`. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
