import { ContainerdError, hasCode } from "@ctr/api";
import { type Client, randomId } from "@ctr/client";
import { type Mount, onlyPlatform, parsePlatform } from "@ctr/oci";
import { mountAll, mountPointsAt, processRootedAbove } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { fail, wrap } from "../../errors.ts";
import type { mount } from "../../table/images.ts";
import { hasPlugin } from "../../transfer/choice.ts";
import { formatRfc3339, fromNanos, now, toNanos } from "../../units.ts";

const MOUNT_MANAGER = "type==io.containerd.mount-manager.v1";

/**
 * `ctr images mount REF [TARGET]`: prints the chain ID, then where it is mounted. A lease of the target's name keeps
 * the snapshot; without TARGET, which takes a daemon that mounts (2.2 and later), of a name of its own.
 */
export const mountCommand = defineCommand<typeof mount>({
  async run({ args: [name = "", target = ""], flags, stdout, connect, signal }) {
    if (name === "") throw fail("please provide an image reference to mount");
    if (target !== "") refuseRunningRoot(target);
    const client = await connect();
    if (target === "" && !(await hasPlugin(client, MOUNT_MANAGER, signal))) {
      throw fail("please provide a target path to mount to");
    }
    const key = target || `ctr-images-mount-${randomId()}`;
    const expires = formatRfc3339(fromNanos(toNanos(now()) + flags.expiration));
    const labels = { "containerd.io/gc.expire": expires };
    const lease = await ignoring("already_exists", client.leases.create({ signal, id: key, labels }));
    const leased = client.withLease(key);
    const snapshots = leased.snapshots(flags.snapshotter);
    try {
      const image = await client.images.get(name, { signal });
      const matcher = onlyPlatform(parsePlatform(flags.platform));
      const options = { signal, snapshotter: snapshots.name, matcher, syncFs: flags.syncFs };
      const { chainID } = await leased.images.unpack(image.target, options);
      await stdout.write(`${chainID}\n`);
      const made = flags.rw ? snapshots.prepare(key, chainID, { signal }) : snapshots.view(key, chainID, { signal });
      const given = (await ignoring("already_exists", made)) ?? (await snapshots.mounts(key, { signal }));
      const mounts = await activate(leased, { key, target }, given, signal);
      if (target !== "") {
        await mountAll(mounts, target).catch(async (error: unknown) => {
          await ignoring("not_found", snapshots.remove(key));
          throw wrap(`failed to mount ${target}`, error);
        });
      }
      await stdout.write(`${target || onlyBind(mounts)}\n`);
    } catch (error) {
      // A lease that was there before keeps an earlier mount.
      if (lease) await ignoring("not_found", client.leases.delete(key));
      throw error;
    }
  },
});

/** Whoever is inside could make the path lead elsewhere, and would see what is mounted for others. */
function refuseRunningRoot(target: string): void {
  const pid = processRootedAbove(target);
  if (pid === undefined) return;
  throw new ContainerdError({
    code: "failed_precondition",
    what: `cannot mount on ${target}`,
    why: `it is in the root filesystem of a container that runs, process ${pid}`,
    fix: "choose a directory of the host's; a container gets mounts when it is made, by `ctr run --mount`",
  });
}

/** What is left to mount once the daemon has mounted its part; all of it where the daemon mounts nothing. */
async function activate(
  client: Client,
  { key, target }: { readonly key: string; readonly target: string },
  mounts: readonly Mount[],
  signal: AbortSignal,
) {
  const activateOnce = async () => (await client.mounts.activate(key, mounts, { signal, temporary: true })).system;
  try {
    return await activateOnce();
  } catch (error) {
    if (hasCode(error, "unimplemented")) return mounts;
    // Left by an earlier mount that was unmounted since, which the daemon is not told of.
    const isLeft = hasCode(error, "already_exists") && target !== "" && mountPointsAt(target).length === 0;
    if (!isLeft) throw wrap("activate error", error);
    await client.mounts.deactivate(key, { signal });
    return await activateOnce();
  }
}

/** Where the daemon has mounted it all. */
function onlyBind(mounts: readonly Mount[]): string {
  const [first, ...others] = mounts;
  if (first?.type === "bind" && others.length === 0) return first.source;
  const words = mounts.map(
    ({ type, source, target, options }) => `{${type} ${source} ${target} [${options.join(" ")}]}`,
  );
  throw fail(`cannot handle returned mounts: [${words.join(" ")}]`, "name a TARGET to mount on");
}

async function ignoring<T>(code: "already_exists" | "not_found", work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, code)) return undefined;
    throw error;
  }
}
