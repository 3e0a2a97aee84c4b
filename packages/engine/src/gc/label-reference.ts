import type { Labels } from "@ctr/oci";
import { parseTime } from "./time.ts";

/** What a label of a record says to the collector, as the key of a node. */
export type LabelReference =
  /** The record keeps `node`. */
  | { readonly kind: "forward"; readonly node: string; readonly label: string }
  /** `node` keeps the record. */
  | { readonly kind: "back"; readonly node: string; readonly label: string }
  /** `node`, a snapshot, keeps the record while `holds` is true of the time it was last used. */
  | {
      readonly kind: "condition";
      readonly node: string;
      readonly label: string;
      readonly holds: (usedAt: bigint, now: bigint) => boolean;
    };

const PREFIX = "containerd.io/gc.";
const ROOT = `${PREFIX}root`;
const USED_AT = `${PREFIX}cond.value-usedat`;

/** Node types by the word in a label. What follows the word, after a dot or a slash, only tells labels apart. */
const targets = { content: "content", image: "images", container: "containers", mount: "mounts" } as const;

/** The key of a node: the type as a lease names it, and the id. */
export function nodeKey(type: string, id: string): string {
  return `${type} ${id}`;
}

/** Whether labels make a blob or a snapshot a root: any key that begins with `containerd.io/gc.root`. */
export function hasRootLabel(labels: Labels): boolean {
  return Object.keys(labels).some((key) => key.startsWith(ROOT));
}

/** When a snapshot was last used, if its labels tell. */
export function usedAtOf(labels: Labels): bigint | undefined {
  const text = labels[USED_AT];
  return text === undefined ? undefined : parseTime(text);
}

/** The references among labels, in their order. Engine reference: Garbage collection, references followed. */
export function labelReferences(labels: Labels): readonly LabelReference[] {
  const found: LabelReference[] = [];
  for (const [label, value] of Object.entries(labels)) {
    if (!label.startsWith(PREFIX)) continue;
    const rest = label.slice(PREFIX.length);
    if (rest.startsWith("ref.")) pushTarget(found, "forward", label, rest.slice(4), value);
    else if (rest.startsWith("bref.")) pushTarget(found, "back", label, rest.slice(5), value);
    else if (rest.startsWith("cond.snapshot")) pushConditions(found, label, rest.slice(13), value);
  }
  return found;
}

function pushTarget(
  found: LabelReference[],
  kind: "forward" | "back",
  label: string,
  name: string,
  value: string,
): void {
  const [, snapshotter] = /^snapshot\.([^/]*)/.exec(name) ?? [];
  if (snapshotter !== undefined) found.push({ kind, label, node: nodeKey(`snapshots/${snapshotter}`, value) });
  const [, word] = /^(content|image|container|mount)(?:[./]|$)/.exec(name) ?? [];
  // A container is a root by itself, so only back references name one; nothing hangs on a mount.
  if (word === undefined || word === (kind === "forward" ? "container" : "mount")) return;
  // The expression takes no other word.
  found.push({ kind, label, node: nodeKey(targets[word as keyof typeof targets], value) });
}

/** `usedat<24h,usedat>48h|KEY`: conditions, any of which will do, and the snapshot's key after the first bar. */
function pushConditions(found: LabelReference[], label: string, suffix: string, value: string): void {
  const bar = value.indexOf("|");
  if (bar === -1) return;
  const [snapshotter = ""] = suffix.replace(/^[./]+/, "").split("/");
  const node = nodeKey(`snapshots/${snapshotter}`, value.slice(bar + 1));
  for (const condition of value.slice(0, bar).split(",")) {
    const [, operator, text] = /^usedat([<>])([^=].*)$/.exec(condition) ?? [];
    const nanos = text === undefined ? undefined : parseDuration(text);
    if (nanos === undefined) continue;
    const holds = (usedAt: bigint, now: bigint) => (operator === "<" ? now - usedAt < nanos : now - usedAt > nanos);
    found.push({ kind: "condition", label, node, holds });
  }
}

const UNIT_NANOS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** A duration as Go writes it (`1h30m`, `-1.5s`), in nanoseconds; undefined for other text. */
export function parseDuration(text: string): bigint | undefined {
  const [, sign, body = ""] = /^([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  let nanos = 0n;
  for (const [, number = "0", unit = "ns"] of body.matchAll(/(\d+\.?\d*|\.\d+)([a-zµμ]+)/g)) {
    nanos += BigInt(Math.round(Number(number) * (UNIT_NANOS[unit] ?? 0)));
  }
  return sign === "-" ? -nanos : nanos;
}
