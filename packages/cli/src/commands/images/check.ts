import type { Client } from "@ctr/client";
import {
  chainIDOf,
  checkImage,
  type Descriptor,
  defaultPlatforms,
  type Image,
  type ImageCheck,
  isUnpacked,
  readDiffIDs,
} from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { defaultSnapshotter } from "../../default-snapshotter.ts";
import { messageOf, wrap } from "../../errors.ts";
import type { check } from "../../table/images.ts";
import { alignTabs, narrowTable } from "../../tabwriter.ts";
import { formatIec } from "../../units.ts";

/** `ctr images check [filter…]`: which images have all their content, and which are unpacked. */
export const checkCommand = defineCommand<typeof check>({
  async run({ args, flags, stdout, log, connect, signal }) {
    const client = await connect();
    const images = await client.images.list(args, { signal });
    if (images.length === 0) return;
    const snapshotter = await defaultSnapshotter(client, flags.snapshotter, signal);
    let failure: unknown;
    const lines = flags.quiet ? [] : ["REF\tTYPE\tDIGEST\tSTATUS\tSIZE\tUNPACKED\t\n"];
    for (const image of images) {
      const found = await examine(client, image, snapshotter, signal);
      if (found.fault) {
        failure ??= found.fault;
        await log.error(messageOf(found.fault));
      }
      if (!flags.quiet) lines.push(formatRow(image, found));
      else if (found.complete && found.unpacked) lines.push(`${image.name}\n`);
    }
    await stdout.write(flags.quiet ? lines.join("") : alignTabs(lines.join(""), narrowTable));
    if (failure !== undefined) throw failure;
  },
});

interface Finding {
  readonly status: string;
  readonly size: string;
  readonly complete: boolean;
  readonly unpacked: boolean;
  readonly fault?: Error | undefined;
}

function formatRow({ name, target }: Image, { status, size, unpacked }: Finding): string {
  return `${name}\t${target.mediaType}\t${target.digest}\t${status}\t${size}\t${unpacked}\n`;
}

/** What the content says; `readable` when the manifest is there to be asked. */
function describe({ known, required, present, missing }: ImageCheck) {
  const have = sum(present);
  if (!known)
    return {
      status: `unavailable (${present.length}/?)`,
      size: `${formatIec(have)}/?`,
      complete: false,
      readable: false,
    };
  const complete = missing.length === 0;
  return {
    status: `${complete ? "complete" : "incomplete"} (${present.length}/${required.length})`,
    size: `${formatIec(have)}/${formatIec(have + sum(missing))}`,
    complete,
    readable: true,
  };
}

function sum(descriptors: readonly Descriptor[]): bigint {
  return descriptors.reduce((total, { size }) => total + size, 0n);
}

async function examine(client: Client, image: Image, snapshotter: string, signal: AbortSignal): Promise<Finding> {
  const options = { signal, matcher: defaultPlatforms() };
  const content = await checkImage(client.content, image.target, options).then(describe, (error: unknown) => ({
    status: "error",
    size: "-",
    complete: false,
    readable: false,
    fault: wrap(`unable to check ${image.name}`, error),
  }));
  try {
    if (!content.readable) return { ...content, unpacked: false };
    const diffIDs = await readDiffIDs(client.content, image.target, options);
    const unpacked = await isUnpacked(client.snapshots(snapshotter), chainIDOf(diffIDs), { signal });
    return { ...content, unpacked };
  } catch (error) {
    return { ...content, unpacked: false, fault: wrap(`unable to check unpack for ${image.name}`, error) };
  }
}
