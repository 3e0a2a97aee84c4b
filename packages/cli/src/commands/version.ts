import { defineCommand } from "../command.ts";
import { fail, wrap } from "../errors.ts";
import type { version } from "../table/top-level.ts";
import { VERSION } from "../version.ts";

/** `ctr version`: this program's version, then the daemon's; the first part also when there is no daemon. */
export const versionCommand = defineCommand<typeof version>({
  async run({ args, stdout, connect, signal }) {
    if (args.length > 0) throw fail(`extra arguments: &[${args.join(" ")}]`);
    // The line is there for scripts; this is no Go program.
    await stdout.write(
      `Client:\n  Version:  ${VERSION}\n  Revision: \n  Go version: none (Bun ${process.versions.bun})\n\n`,
    );
    const client = await connect();
    const server = await client.version({ signal }).catch((error: unknown) => {
      throw wrap("failed to get version", error);
    });
    const uuid = await client.introspection.uuid({ signal });
    await stdout.write(`Server:\n  Version:  ${server.version}\n  Revision: ${server.revision}\n  UUID: ${uuid}\n`);
  },
});
