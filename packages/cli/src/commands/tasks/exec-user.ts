import { type Client, type Container, openRootfsReader } from "@ctr/client";
import { resolveUser, type SpecProcess } from "@ctr/oci";

/** The user that `--user` means. Names are looked up in the container's own files; supplementary groups are not, as in the Go tool. */
export async function userOf(
  client: Client,
  { snapshotter, snapshotKey, spec }: Container,
  text: string,
  signal: AbortSignal,
): Promise<SpecProcess["user"]> {
  const root = spec?.root?.path ?? "";
  const tree = snapshotKey === "" ? root : await client.snapshots(snapshotter).mounts(snapshotKey, { signal });
  await using rootfs = openRootfsReader(tree);
  return await resolveUser(text, rootfs);
}
