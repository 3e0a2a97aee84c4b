import { hasCode } from "@ctr/api";
import type { RemoteBlobWriter } from "@ctr/client";
import { readBlocks } from "../../blocks.ts";
import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { fail } from "../../errors.ts";
import type { ingest } from "../../table/content.ts";

/** Blocks that the store need not have yet when the next one is read. */
const AHEAD = 3;

/** `ctr content ingest KEY`: stdin becomes a blob; one that exists already is as good. */
export const ingestCommand = defineCommand<typeof ingest>({
  async run({ args: [ref = ""], flags, stdin, connect, signal }) {
    if (ref === "")
      throw fail("must specify a transaction reference", "give the write a name: `ctr content ingest KEY < FILE`");
    const expected = flags.expectedDigest === "" ? undefined : digestArgument(flags.expectedDigest);
    const size = flags.expectedSize === 0n ? undefined : flags.expectedSize;
    const client = await connect();
    try {
      await using writer = await client.content.writer(ref, { signal, expected, size });
      if (writer.offset > 0n) await writer.truncate(0n, { signal });
      await writeAhead(writer, readBlocks(stdin, AHEAD), signal);
      await writer.commit({ ...(expected && { expected }), ...(size !== undefined && { size }) }, { signal });
    } catch (error) {
      if (!hasCode(error, "already_exists")) throw error;
    }
  },
});

async function writeAhead(
  writer: RemoteBlobWriter,
  blocks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const writes: Promise<void>[] = [];
  for await (const block of blocks) {
    const writing = writer.write(block, { signal });
    // Told in its turn, if an earlier one did not fail.
    writing.catch(() => undefined);
    writes.push(writing);
    if (writes.length > AHEAD) await writes.shift();
  }
  await Promise.all(writes);
}
