import { defineCommand } from "../../command.ts";
import { resolverOf } from "../../registry-options.ts";
import type { fetchObject } from "../../table/content.ts";

/** `ctr content fetch-object REF`: the manifest, index or blob that a reference names, to stdout. Needs no daemon. */
export const fetchObjectCommand = defineCommand<typeof fetchObject>({
  async run(context) {
    const { args, flags, stdout, signal } = context;
    const [reference = ""] = args;
    const resolver = await resolverOf(flags, context);
    const { descriptor } = await resolver.resolve(reference, { signal });
    for await (const chunk of resolver.fetcher(reference).fetch(descriptor, { signal })) await stdout.write(chunk);
  },
});
