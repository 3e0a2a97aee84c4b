import { defineCommand } from "../command.ts";
import { formatGoJson } from "../go-json.ts";
import type { info } from "../table/top-level.ts";

/** `ctr info`: what the daemon says about itself, as JSON; members without a value are left out. */
export const infoCommand = defineCommand<typeof info>({
  async run({ stdout, connect, signal }) {
    const client = await connect();
    const server = await client.introspection.server({ signal });
    const deprecations = server.deprecations.map(({ id, message, lastOccurrence }) => ({
      id: id || undefined,
      message: message || undefined,
      last_occurrence: lastOccurrence && {
        seconds: lastOccurrence.seconds || undefined,
        nanos: lastOccurrence.nanos || undefined,
      },
    }));
    const facts = {
      uuid: server.uuid || undefined,
      pid: server.pid || undefined,
      pidns: server.pidNamespace || undefined,
      deprecations: deprecations.length === 0 ? undefined : deprecations,
    };
    await stdout.write(`${formatGoJson({ server: facts }, "    ")}\n`);
  },
});
