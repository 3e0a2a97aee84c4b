import type { Client } from "@ctr/client";
import {
  type ContentProvider,
  type Descriptor,
  defaultPlatforms,
  formatPlatform,
  type Image,
  imageSize,
  readPlatforms,
} from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { messageOf, wrap } from "../../errors.ts";
import { formatLabels } from "../../labels.ts";
import type { Logger } from "../../log.ts";
import { readOnce } from "../../read-once.ts";
import type { list } from "../../table/images.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";
import { formatIec } from "../../units.ts";

/** Images whose blobs are read at once. */
const AT_ONCE = 16;

/** `ctr images list [filter…]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, log, connect, signal }) {
    const client = await connect();
    const images = await client.images.list(args, { signal }).catch((error: unknown) => {
      throw wrap("failed to list images", error);
    });
    if (flags.quiet) return stdout.write(images.map(({ name }) => `${name}\n`).join(""));
    const rows: (readonly string[])[] = [["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"]];
    for (let at = 0; at < images.length; at += AT_ONCE) {
      rows.push(
        ...(await Promise.all(images.slice(at, at + AT_ONCE).map((image) => toRow(client, image, log, signal)))),
      );
    }
    await stdout.write(formatTable(rows, narrowTable));
  },
});

/** What cannot be read is told on stderr; the row shows what could. */
async function toRow(client: Client, image: Image, log: Logger, signal: AbortSignal): Promise<readonly string[]> {
  const { name, target, labels } = image;
  const documents = readOnce(client.content, signal);
  // Side by side: each is a chain of round trips to the daemon.
  const [total, platforms] = await Promise.all([
    imageSize(documents, target, { signal, matcher: defaultPlatforms() }),
    platformsOf(documents, target, signal),
  ]);
  if (total.fault !== undefined) {
    await log.error(`failed calculating size for image ${name}`, { error: messageOf(total.fault) });
  }
  if (platforms.fault !== undefined) {
    await log.error(`failed resolving platform for image ${name}`, { error: messageOf(platforms.fault) });
  }
  return [name, target.mediaType, target.digest, formatIec(total.size), platforms.text, formatLabels(labels, "-")];
}

async function platformsOf(
  documents: ContentProvider,
  target: Descriptor,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly fault: unknown }> {
  try {
    const found = await readPlatforms(documents, target, { signal });
    const names = [...new Set(found.map(formatPlatform))].sort();
    return { text: names.length === 0 ? "-" : names.join(","), fault: undefined };
  } catch (fault) {
    return { text: "-", fault };
  }
}
