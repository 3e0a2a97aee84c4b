import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { checkImageName } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { tag } from "../../table/images.ts";
import { usesTransfer } from "../../transfer/choice.ts";

/** `ctr images tag SRC DST…`: prints each name once it is there. */
export const tagCommand = defineCommand<typeof tag>({
  async run(context) {
    const { args, flags, stdout, connect, signal } = context;
    const [source = "", ...targets] = args;
    if (source === "") throw fail("please provide an image reference to tag from");
    if (targets.length === 0) throw fail("please provide an image reference to tag to");
    if (!flags.skipReferenceCheck) for (const name of targets) checkImageName(name);
    const client = await connect();
    if (await usesTransfer(client, context)) {
      return (await import("../../transfer/tag.ts")).tagByTransfer(client, context);
    }
    await using lease = await client.leases.hold({ signal });
    const image = await client.images.get(source, { signal });
    for (const name of targets) {
      const copy = { name, target: image.target, labels: image.labels };
      await createImage(lease.client, copy, flags.force, signal);
      await stdout.write(`${name}\n`);
    }
  },
});

type NewImage = Parameters<Client["images"]["create"]>[0];

async function createImage(client: Client, image: NewImage, force: boolean, signal: AbortSignal): Promise<void> {
  try {
    await client.images.create(image, { signal });
  } catch (error) {
    if (!force || !hasCode(error, "already_exists")) throw error;
    await client.images.delete(image.name, { signal });
    await client.images.create(image, { signal });
  }
}
