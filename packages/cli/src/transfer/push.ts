import type { Client } from "@ctr/client";
import { parsePlatform } from "@ctr/oci";
import type { CommandContext } from "../command.ts";
import { openTransferProgress } from "../progress/transfer.ts";
import { abortOnInterrupt } from "../signals.ts";
import type { push } from "../table/images.ts";
import { refuseLocalFlags } from "./choice.ts";
import { registrySide } from "./registry.ts";

/** `ctr images push REMOTE [LOCAL]` by the daemon: its store to a registry. */
export async function pushByTransfer(client: Client, context: CommandContext<(typeof push)["flags"]>): Promise<void> {
  const { args, flags, stdout } = context;
  refuseLocalFlags(context, [
    "manifest",
    "manifest-type",
    "max-concurrent-uploaded-layers",
    "allow-non-distributable-blobs",
    "skip-verify",
    "tlscacert",
    "tlscert",
    "tlskey",
    "http-dump",
    "http-trace",
  ]);
  const [remote = "", local = remote] = args;
  const destination = await registrySide(remote, flags, context);
  using interrupt = abortOnInterrupt(context.signal);
  const store = { name: local, platforms: flags.platform.map(parsePlatform) };
  await using display = openTransferProgress(stdout);
  await client.transfer.push(store, destination, {
    signal: interrupt.signal,
    onProgress: display.on,
  });
}
