import type { Client } from "@ctr/client";
import type { CommandContext } from "../command.ts";
import { parseLabels } from "../labels.ts";
import { choosePlatforms } from "../platform-choice.ts";
import { openTransferProgress } from "../progress/transfer.ts";
import { abortOnInterrupt } from "../signals.ts";
import type { pull } from "../table/images.ts";
import { refuseLocalFlags } from "./choice.ts";
import { registrySide } from "./registry.ts";

/** `ctr images pull REF` by the daemon: registry to its store. All platforms together are not unpacked. */
export async function pullByTransfer(client: Client, context: CommandContext<(typeof pull)["flags"]>): Promise<void> {
  const { args, flags, stdout } = context;
  refuseLocalFlags(context, [
    "max-concurrent-downloads",
    "print-chainid",
    "skip-verify",
    "tlscacert",
    "tlscert",
    "tlskey",
  ]);
  const [reference = ""] = args;
  const source = await registrySide(reference, flags, context);
  const { platforms = [] } = choosePlatforms(flags);
  using interrupt = abortOnInterrupt(context.signal);
  const store = {
    name: reference,
    labels: parseLabels(flags.label),
    platforms,
    allMetadata: !flags.skipMetadata,
    unpacks: platforms.map((platform) => ({ platform, snapshotter: flags.snapshotter })),
  };
  await using display = openTransferProgress(stdout);
  await client.transfer.pull(source, store, { signal: interrupt.signal, onProgress: display.on });
}
