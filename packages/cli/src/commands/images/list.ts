import type { ImageSummary } from "@ctr/client";
import {
  type Descriptor,
  Documents,
  defaultPlatforms,
  formatPlatform,
  type ImageSize,
  type PlatformMatcher,
  platformsIn,
  sizeIn,
} from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { messageOf, wrap } from "../../errors.ts";
import { formatLabels } from "../../labels.ts";
import type { Logger } from "../../log.ts";
import type { list } from "../../table/images.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";
import { formatIec } from "../../units.ts";

/** Images whose documents are held at once: of each a manifest and a configuration, which may be of 8 MiB. */
const AT_ONCE = 32;

/** `ctr images list [filter…]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, log, connect, signal }) {
    const client = await connect();
    const images = await client.images.summaries(args, { signal }).catch((error: unknown) => {
      throw wrap("failed to list images", error);
    });
    if (flags.quiet) return stdout.write(images.map(({ name }) => `${name}\n`).join(""));
    const rows: (readonly string[])[] = [["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"]];
    const matcher = defaultPlatforms();
    for (let at = 0; at < images.length; at += AT_ONCE) {
      const documents = new Documents((digests, options) => client.content.documents(digests, options));
      const some = images.slice(at, at + AT_ONCE);
      for (const found of await documents.settle(some, (image) => readContent(documents, image, matcher), { signal })) {
        if (found.size.fault !== undefined || found.platforms.fault !== undefined) await tellFaults(found, log);
        rows.push(toRow(found));
      }
    }
    await stdout.write(formatTable(rows, narrowTable));
  },
});

/** An image with what its documents tell. */
interface Found {
  readonly image: ImageSummary;
  readonly size: ImageSize;
  readonly platforms: PlatformNames;
}

interface PlatformNames {
  readonly text: string;
  readonly fault: unknown;
}

function readContent(documents: Documents, image: ImageSummary, matcher: PlatformMatcher): Found | undefined {
  const size = sizeIn(documents, image.target, matcher);
  const platforms = platformNames(documents, image.target);
  return size === undefined || platforms === undefined ? undefined : { image, size, platforms };
}

function platformNames(documents: Documents, target: Descriptor): PlatformNames | undefined {
  try {
    const found = platformsIn(documents, target);
    if (found === undefined) return undefined;
    const names = [...new Set(found.map(formatPlatform))].sort();
    return { text: names.length === 0 ? "-" : names.join(","), fault: undefined };
  } catch (fault) {
    return { text: "-", fault };
  }
}

/** What cannot be read is told on stderr; the row shows what could. */
async function tellFaults({ image: { name }, size, platforms }: Found, log: Logger): Promise<void> {
  if (size.fault !== undefined) {
    await log.error(`failed calculating size for image ${name}`, { error: messageOf(size.fault) });
  }
  if (platforms.fault !== undefined) {
    await log.error(`failed resolving platform for image ${name}`, { error: messageOf(platforms.fault) });
  }
}

function toRow({ image: { name, target, labels }, size, platforms }: Found): readonly string[] {
  return [name, target.mediaType, target.digest, formatIec(size.size), platforms.text, formatLabels(labels, "-")];
}
