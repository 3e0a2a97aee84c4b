import type { Client } from "@ctr/client";
import type { Subject } from "./subjects.ts";

/** What an engine can be asked for. */
export type LiveSubject = Exclude<Subject, "file" | "directory" | readonly string[]>;

interface Asked {
  readonly client: Client;
  /** For snapshots; the client's own when empty. */
  readonly snapshotter: string;
  readonly signal: AbortSignal;
}

/** Names of a kind, as the engine returns them. */
export async function* liveNames(subject: LiveSubject, { client, snapshotter, signal }: Asked): AsyncIterable<string> {
  switch (subject) {
    case "namespace":
      for (const { name } of await client.namespaces.list({ signal })) yield name;
      return;
    case "image":
      for (const { name } of await client.images.list([], { signal })) yield name;
      return;
    case "container":
      for (const { id } of await client.containers.list([], { signal })) yield id;
      return;
    case "task":
      for (const { id } of await client.tasks.list({ signal })) yield id;
      return;
    case "lease":
      for (const { id } of await client.leases.list([], { signal })) yield id;
      return;
    case "sandbox":
      for (const { id } of await client.sandboxes.list([], { signal })) yield id;
      return;
    case "snapshot":
      for await (const { name } of client.snapshots(snapshotter).walk([], { signal })) yield name;
      return;
    case "digest":
      for await (const { digest } of client.content.walk([], { signal })) yield digest;
      return;
    default:
      subject satisfies never;
  }
}
