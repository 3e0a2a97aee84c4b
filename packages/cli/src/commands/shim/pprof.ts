import { shimSockets } from "@ctr/client";
import { type Command, defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { heap, trace } from "../../table/shim.ts";
import { requestOf, timedRequest, writeProfile } from "../pprof.ts";
import type { ShimSettings } from "./shim.ts";

/** `ctr shim --id ID pprof heap` and its like, from the debug socket of a shim. */
export function profileCommand(name: string): Command<(typeof heap)["flags"] & (typeof heap)["inherits"]> {
  return defineCommand<typeof heap>({
    run: async (context) => writeProfile(context, requestOf(name, await debugSockets(context), context.flags)),
  });
}

/** The same for those that measure for a time. */
export function timedCommand(name: string): Command<(typeof trace)["flags"] & (typeof trace)["inherits"]> {
  return defineCommand<typeof trace>({
    run: async (context) => writeProfile(context, timedRequest(name, await debugSockets(context), context.flags)),
  });
}

/** A shim's debug socket has a name of its own; who gives an address means just that one. */
async function debugSockets({ flags, globals }: ShimSettings): Promise<readonly string[]> {
  if (flags.shimAddress !== "") return [flags.shimAddress.replace(/^unix:\/\//, "")];
  if (flags.id === "") throw fail("shim ID (--id) or address (--shim-address) must be specified");
  const { address, namespace } = globals;
  return (await shimSockets({ address, namespace, id: `${flags.id}/debug` })).slice(0, 1);
}
