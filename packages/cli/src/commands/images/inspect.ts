import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { type Descriptor, formatPlatform, type Image, readBlob, readChildren } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { formatGoJson, RawJson } from "../../go-json.ts";
import type { inspect } from "../../table/images.ts";
import { formatGoTime } from "../../units.ts";

/** Pieces of the tree, four columns each. */
const BRANCH = "├── ";
const LAST = "└── ";
const BAR = "│   ";
const BLANK = "    ";

/** `ctr images inspect NAME`: an image as a tree of descriptors. */
export const inspectCommand = defineCommand<typeof inspect>({
  async run({ args: [name = ""], flags, stdout, connect, signal }) {
    const client = await connect();
    const image = await client.images.get(name, { signal });
    await stdout.write(imageLines(image).join(""));
    const writer: Writer = { client, signal, content: flags.content, write: (line) => stdout.write(`${line}\n`) };
    await writeDescriptor(writer, image.target, "", true);
  },
});

interface Writer {
  readonly client: Client;
  readonly signal: AbortSignal;
  readonly content: boolean;
  write(line: string): Promise<void>;
}

function imageLines({ name, createdAt, updatedAt, labels }: Image): readonly string[] {
  const properties = [`Created: ${formatGoTime(createdAt)}`, `Updated: ${formatGoTime(updatedAt)}`];
  for (const [key, value] of Object.entries(labels).sort())
    properties.push(`Label ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return [`${name}\n`, ...properties.map((text) => `${BAR} ${text}\n`)];
}

async function writeDescriptor(writer: Writer, descriptor: Descriptor, indent: string, last: boolean): Promise<void> {
  const { mediaType, digest, size, platform } = descriptor;
  await writer.write(`${indent}${last ? LAST : BRANCH}${mediaType} @${digest} (${size} bytes)`);
  const below = indent + (last ? BLANK : BAR);
  const children = await childrenOf(writer, descriptor);
  if (children === undefined) return writer.write(`${below}${LAST} Content does not exist locally, skipping`);
  const bar = below + BAR;
  if (platform) await writer.write(`${bar} Platform: ${formatPlatform(platform)}`);
  if (writer.content) await writeContent(writer, descriptor, bar);
  for (const [index, child] of children.entries()) {
    await writeDescriptor(writer, child, below, index === children.length - 1);
  }
}

/** Undefined where the blob is not there. */
async function childrenOf(
  { client, signal }: Writer,
  descriptor: Descriptor,
): Promise<readonly Descriptor[] | undefined> {
  try {
    await client.content.info(descriptor.digest, { signal });
    return await readChildren(client.content, descriptor, { signal });
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
}

/** Two boxes: the blob's labels, and its text where that is JSON. */
async function writeContent({ client, signal, write }: Writer, descriptor: Descriptor, bar: string): Promise<void> {
  const { labels } = await client.content.info(descriptor.digest, { signal });
  const lines = Object.entries(labels)
    .sort()
    .map(([key, value]) => `│${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  if (lines.length > 0) await writeBox(write, bar, "┌────────Labels─────────", lines);
  if (!descriptor.mediaType.endsWith("json")) return;
  const bytes = await readBlob(client.content, descriptor.digest, { signal });
  const text = formatGoJson(new RawJson(new TextDecoder().decode(bytes)), "   ");
  await writeBox(
    write,
    bar,
    "┌────────Content────────",
    text.split("\n").map((line) => `│${line}`),
  );
}

async function writeBox(write: Writer["write"], bar: string, title: string, lines: readonly string[]): Promise<void> {
  for (const line of [title, ...lines, "└───────────────────────"]) await write(`${bar} ${line}`);
}
