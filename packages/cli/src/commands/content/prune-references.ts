import { defineCommand } from "../../command.ts";
import { openLogger } from "../../log.ts";
import type { pruneReferences } from "../../table/content.ts";

/** Labels by which a manifest keeps its layers; the numbered ones are of old, where 0 was the configuration. */
const LAYER_LABEL = /^containerd\.io\/gc\.ref\.content\.(?:l\.|(?!0$)\d*$)/;
const LEASE_MS = 60 * 60 * 1000;

/** `ctr content prune references`: the end of a lease makes the daemon collect what the labels kept. */
export const pruneCommand = defineCommand<typeof pruneReferences>({
  async run({ flags, globals, stderr, connect, signal }) {
    const client = await connect();
    const log = openLogger(stderr, { debug: flags.dry || globals.debug });
    if (flags.dry) await log.debug("dry run, no changes will be applied");
    for await (const { digest, labels } of client.content.walk([], { signal })) {
      const gone = Object.keys(labels).filter((key) => LAYER_LABEL.test(key));
      for (const label of gone) await log.debug("Removing label", { digest, label });
      if (flags.dry || gone.length === 0) continue;
      await client.content.setLabels(digest, Object.fromEntries(gone.map((key) => [key, ""])), { signal });
    }
    const { id } = await client.leases.create({ expiresMs: LEASE_MS, signal });
    await client.leases.delete(id, { sync: !flags.async, signal });
  },
});
