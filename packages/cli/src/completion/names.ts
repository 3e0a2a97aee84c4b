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
      for (const { name } of await client.images.summaries([], { signal })) yield name;
      return;
    case "container":
      for (const { id } of await client.containers.summaries([], { signal })) yield id;
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
      for await (const page of client.snapshots(snapshotter).summaries([], { signal })) {
        for (const { name } of page) yield name;
      }
      return;
    case "digest":
      for await (const page of client.content.summaries([], { signal })) for (const { digest } of page) yield digest;
      return;
    default:
      subject satisfies never;
  }
}
