import { ContainerdError } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { resolverOf } from "../../registry-options.ts";
import type { pushObject } from "../../table/content.ts";

/** `ctr content push-object REF DIGEST TYPE`: one blob of the store, without what it refers to. */
export const pushObjectCommand = defineCommand<typeof pushObject>({
  async run(context) {
    const { args, flags, stdout, connect, signal } = context;
    const [reference = "", object = "", mediaType = ""] = args;
    const digest = digestArgument(object);
    const client = await connect();
    const pusher = (await resolverOf(flags, context)).pusher(reference);
    const { size } = await client.content.info(digest, { signal });
    await using blob = await client.content.readerAt(digest, { signal });
    const source = (from: bigint) => blob.stream({ offset: from, length: size - from }, { signal });
    const outcome = await pusher.push({ mediaType, digest, size }, source, { signal });
    if (outcome === "exists") {
      throw new ContainerdError({ code: "already_exists", what: `content ${digest} on remote` });
    }
    await stdout.write(`Pushed ${digest} ${mediaType}\n`);
  },
});
