import { noPlatforms } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { parseLabels } from "../../labels.ts";
import { choosePlatforms } from "../../platform-choice.ts";
import { openLocalProgress } from "../../progress/local.ts";
import { resolverOf } from "../../registry-options.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { fetch } from "../../table/content.ts";

/** `ctr content fetch REF`: as a pull, without unpacking. */
export const fetchCommand = defineCommand<typeof fetch>({
  async run(context) {
    const { args, flags, globals, stdout, connect } = context;
    const [reference = ""] = args;
    const resolver = await resolverOf(flags, context);
    const client = await connect();
    using interrupt = abortOnInterrupt(context.signal);
    const options = {
      signal: interrupt.signal,
      resolver,
      matcher: flags.metadataOnly ? noPlatforms : choosePlatforms(flags).matcher,
      labels: parseLabels(flags.label),
      allMetadata: flags.metadataOnly || (flags.allMetadata && !flags.skipMetadata),
      unpack: false,
    };
    if (globals.debug) {
      await client.images.pull(reference, options);
      return;
    }
    await using progress = openLocalProgress({ stdout, reference, verb: "downloading" });
    await client.images.pull(reference, { ...options, onProgress: progress.on });
    await progress.finish();
  },
});
