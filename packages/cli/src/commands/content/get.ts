import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import type { get } from "../../table/content.ts";

/** `ctr content get DIGEST`: one blob's bytes, unchanged, to stdout. */
export const getCommand = defineCommand<typeof get>({
  async run({ args, stdout, connect, signal }) {
    const digest = digestArgument(args[0]);
    const client = await connect();
    await using blob = await client.content.readerAt(digest, { signal });
    // Chunks go straight out: a layer can be larger than memory.
    for await (const chunk of blob.stream({ offset: 0n, length: blob.size }, { signal })) {
      await stdout.write(chunk);
    }
  },
});
