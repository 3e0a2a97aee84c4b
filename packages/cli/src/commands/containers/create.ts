import { defineCommand } from "../../command.ts";
import { makeContainer } from "../../container-maker.ts";
import { failArgument } from "../../errors.ts";
import type { create } from "../../table/containers.ts";

/** `ctr containers create IMAGE|ROOTFS ID [CMD…]`: snapshot and record, no task. */
export const createCommand = defineCommand<typeof create>({
  async run({ args, flags, given, connect, signal }) {
    const request = { flags, allowNewPrivsGiven: given("allow-new-privs"), ...parseArguments(args, flags.config) };
    const client = await connect();
    const made = await makeContainer(client, request, signal);
    await made.release();
  },
});

function parseArguments(args: readonly string[], config: string) {
  if (config !== "") {
    const [id = ""] = args;
    if (id === "") throw failArgument("container id must be provided");
    if (args.length > 1) throw failArgument("with spec config file, only container id should be provided");
    return { source: "", id, args: [] };
  }
  const [source = "", id = "", ...words] = args;
  if (source === "") throw failArgument("image ref must be provided");
  if (id === "") throw failArgument("container id must be provided");
  return { source, id, args: words };
}
