import { digestAlgorithm, openDigester } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { fail } from "../../errors.ts";
import { resolverOf } from "../../registry-options.ts";
import type { fetchBlob } from "../../table/content.ts";

/** `ctr content fetch-blob REF DIGEST…`: blobs of a repository to stdout, one after the other. Needs no daemon. */
export const fetchBlobCommand = defineCommand<typeof fetchBlob>({
  async run(context) {
    const { args, flags, stdout, signal } = context;
    const [reference = "", ...texts] = args;
    if (texts.length === 0) throw fail("must specify digests");
    const digests = texts.map(digestArgument);
    const fetcher = (await resolverOf(flags, context)).fetcher(reference);
    for (const digest of digests) {
      const descriptor = await fetcher.describe(digest, { signal, mediaType: flags.mediaType });
      const digester = openDigester(digestAlgorithm(digest));
      for await (const chunk of fetcher.fetch(descriptor, { signal })) {
        digester.update(chunk);
        await stdout.write(chunk);
      }
      const got = digester.digest();
      // Only the exit code can tell: the bytes are out already.
      if (got !== digest) throw fail(`the registry sent other bytes: got ${got}, expected ${digest}`);
    }
  },
});
