import { hasCode } from "@ctr/api";
import { onlyPlatform, parsePlatform } from "@ctr/oci";
import { mountAll } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { fail, wrap } from "../../errors.ts";
import type { mount } from "../../table/images.ts";
import { formatRfc3339, fromNanos, now, toNanos } from "../../units.ts";

/** `ctr images mount REF TARGET`: prints the chain ID, then the target. A lease of the target's name keeps the snapshot. */
export const mountCommand = defineCommand<typeof mount>({
  async run({ args: [name = "", target = ""], flags, stdout, connect, signal }) {
    if (name === "") throw fail("please provide an image reference to mount");
    if (target === "") throw fail("please provide a target path to mount to");
    const client = await connect();
    const expires = formatRfc3339(fromNanos(toNanos(now()) + flags.expiration));
    await ignoring(
      "already_exists",
      client.leases.create({ signal, id: target, labels: { "containerd.io/gc.expire": expires } }),
    );
    const leased = client.withLease(target);
    const snapshots = leased.snapshots(flags.snapshotter);
    try {
      const image = await client.images.get(name, { signal });
      const matcher = onlyPlatform(parsePlatform(flags.platform));
      const options = { signal, snapshotter: snapshots.name, matcher, syncFs: flags.syncFs };
      const { chainID } = await leased.images.unpack(image.target, options);
      await stdout.write(`${chainID}\n`);
      const made = flags.rw
        ? snapshots.prepare(target, chainID, { signal })
        : snapshots.view(target, chainID, { signal });
      const mounts = (await ignoring("already_exists", made)) ?? (await snapshots.mounts(target, { signal }));
      await mountAll(mounts, target).catch(async (error: unknown) => {
        await ignoring("not_found", snapshots.remove(target));
        throw wrap(`failed to mount ${target}`, error);
      });
      await stdout.write(`${target}\n`);
    } catch (error) {
      await ignoring("not_found", client.leases.delete(target));
      throw error;
    }
  },
});

async function ignoring<T>(code: "already_exists" | "not_found", work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, code)) return undefined;
    throw error;
  }
}
