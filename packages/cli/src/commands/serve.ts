import { defineCommand } from "../command.ts";
import { loadEngine } from "../connect.ts";
import { fail } from "../errors.ts";
import { abortOnInterrupt } from "../signals.ts";
import type { serve } from "../table/top-level.ts";

/** `ctr serve`: the embedded engine as a daemon, until it is told to end. */
export const serveCommand = defineCommand<typeof serve>({
  async run({ args, flags, globals, stderr, signal }) {
    if (args.length > 0) throw fail(`extra arguments: &[${args.join(" ")}]`);
    const { address, addressGiven } = globals;
    if (addressGiven && !address.startsWith("embedded")) {
      throw fail(
        `cannot serve ${address}: it names another daemon's socket`,
        "name the socket with --listen, and the store with --address embedded:///some/root",
      );
    }
    await using engine = await loadEngine(addressGiven ? address : "embedded");
    using interrupt = abortOnInterrupt(signal);
    const ended = new Promise<void>((resolve) => {
      interrupt.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    // Not the interrupt's signal: calls under way are let finish.
    await using _server = await engine.serve({ path: flags.listen, signal });
    await stderr.write(`serving containerd's API on ${flags.listen} (store ${engine.store.root})\n`);
    await ended;
  },
});
