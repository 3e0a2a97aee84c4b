import { ContainerdError } from "@ctr/api";
import type { Labels } from "@ctr/oci";

const UID_LABEL = "containerd.io/snapshot/uidmapping";
const GID_LABEL = "containerd.io/snapshot/gidmapping";

/** Host ids of the container's root, where labels map them (`containerID:hostID:size[,…]`). `invalid_argument` for a bad one. */
export function mappedOwner(labels: Labels): { readonly uid: number; readonly gid: number } | undefined {
  const uid = labels[UID_LABEL];
  const gid = labels[GID_LABEL];
  if (uid === undefined && gid === undefined) return undefined;
  return { uid: hostRoot(UID_LABEL, uid), gid: hostRoot(GID_LABEL, gid) };
}

function hostRoot(label: string, text: string | undefined): number {
  for (const range of (text ?? "").split(",")) {
    const [, inside, host, size] = /^(\d+):(\d+):(\d+)$/.exec(range) ?? [];
    if (Number(inside) === 0 && Number(size) > 0) return Number(host);
  }
  const why = `${JSON.stringify(text ?? "")} maps no root`;
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot map the snapshot's owner",
    where: { label },
    why,
  });
}
