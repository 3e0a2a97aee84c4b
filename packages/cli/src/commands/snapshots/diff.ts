import { hasCode } from "@ctr/api";
import type { RemoteSnapshotter } from "@ctr/client";
import type { Mount } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { parseLabels } from "../../labels.ts";
import type { diff } from "../../table/snapshots.ts";
import { formatRfc3339, now } from "../../units.ts";

/** `ctr snapshots diff A [B]`: the layer that turns A into B, or A's parent into A, to stdout. */
export const diffCommand = defineCommand<typeof diff>({
  async run({ args: [first = "", second = ""], flags, stdout, connect, signal }) {
    if (first === "") throw fail("snapshot id must be provided");
    const client = await connect();
    await using lease = await client.leases.hold({ signal });
    const snapshotter = lease.client.snapshots(flags.snapshotter);
    await using stack = new AsyncDisposableStack();
    const upperKey = second === "" ? first : second;
    const lowerKey = second === "" ? (await snapshotter.stat(first, { signal })).parent : first;
    const lower = lowerKey === "" ? [] : await mountsOf(snapshotter, lowerKey, stack, signal);
    const upper = await mountsOf(snapshotter, upperKey, stack, signal);
    const kept = flags.keep ? { "containerd.io/gc.root": formatRfc3339(now()) } : {};
    const layer = await lease.client.differ.compare(lower, upper, {
      signal,
      mediaType: flags.mediaType,
      ref: flags.ref === "" ? undefined : flags.ref,
      labels: { ...kept, ...parseLabels(flags.label) },
    });
    await using blob = await lease.client.content.readerAt(layer.digest, { signal });
    for await (const chunk of blob.stream({ offset: 0n, length: blob.size }, { signal })) await stdout.write(chunk);
  },
});

/** A committed snapshot is looked at through a view, which goes when the command ends. */
async function mountsOf(
  snapshotter: RemoteSnapshotter,
  key: string,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<readonly Mount[]> {
  const { kind } = await snapshotter.stat(key, { signal });
  if (kind !== "committed") return snapshotter.mounts(key, { signal });
  const view = `${key}-view-key`;
  const mounts = await snapshotter.view(view, key, { signal });
  stack.defer(async () => {
    await snapshotter.remove(view).catch((error: unknown) => {
      if (!hasCode(error, "not_found")) throw error;
    });
  });
  return mounts;
}
