import type { Client } from "@ctr/client";
import type { CommandContext } from "../command.ts";
import { abortOnInterrupt } from "../signals.ts";
import type { tag } from "../table/images.ts";

/** `ctr images tag SRC DST…` by the daemon: one transfer per name, which replaces what had the name. */
export async function tagByTransfer(client: Client, context: CommandContext<(typeof tag)["flags"]>): Promise<void> {
  const { args, stdout } = context;
  const [source = "", ...targets] = args;
  using interrupt = abortOnInterrupt(context.signal);
  for (const name of targets) {
    await client.transfer.tag(source, { name }, { signal: interrupt.signal });
    await stdout.write(`${name}\n`);
  }
}
