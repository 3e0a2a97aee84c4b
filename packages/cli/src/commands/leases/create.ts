import { defineCommand } from "../../command.ts";
import type { create } from "../../table/leases.ts";
import { formatRfc3339, fromNanos, now, toNanos } from "../../units.ts";

/** `ctr leases create [label=value…]`: prints the id. Here a word without `=` is an empty label. */
export const createCommand = defineCommand<typeof create>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const labels = Object.fromEntries(
      args.map((word) => [word.split("=", 1)[0] ?? "", word.includes("=") ? word.slice(word.indexOf("=") + 1) : ""]),
    );
    const expiry = flags.expires === 0n ? {} : { "containerd.io/gc.expire": expiryTime(flags.expires) };
    const id = flags.id === "" ? undefined : flags.id;
    const lease = await client.leases.create({ signal, id, labels: { ...labels, ...expiry } });
    await stdout.write(`${lease.id}\n`);
  },
});

/** Whole seconds in UTC, as the Go tool writes it. */
function expiryTime(lifetime: bigint): string {
  return formatRfc3339(fromNanos(toNanos(now()) + lifetime));
}
