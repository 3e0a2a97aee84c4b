import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";

/** Label of a namespace that names the snapshotter of those who name none. */
const LABEL = "containerd.io/defaults/snapshotter";

/** The snapshotter to use: the one asked for, else the namespace's own, else the daemon's. */
export async function defaultSnapshotter(client: Client, asked: string, signal: AbortSignal): Promise<string> {
  if (asked !== "") return asked;
  try {
    const { labels } = await client.namespaces.get(client.namespace, { signal });
    return labels[LABEL] ?? client.snapshotter;
  } catch (error) {
    // A namespace need not have been created to be used.
    if (hasCode(error, "not_found")) return client.snapshotter;
    throw error;
  }
}
