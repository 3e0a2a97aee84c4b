import { openWriter } from "@ctr/oci";
import type { OnTransfer } from "@ctr/registry";
import type { Client } from "./client.ts";

/** Longest that putting ingests aside may take, in milliseconds: the user has cancelled and waits for his prompt. */
const KEEP_TIMEOUT_MS = 5_000;

/** Follows a fetch, so that what it leaves unfinished can outlive its lease. */
export interface IngestKeeper {
  readonly follow: OnTransfer;
  /**
   * Lets every unfinished ingest live on for the daemon's day, so that the next fetch resumes it. Best effort: a
   * failure costs bytes, not correctness.
   */
  keep(): Promise<void>;
}

/** Watches the fetches of one pull. `client` may work under a lease; what is kept is kept without it. */
export function openIngestKeeper(client: Client): IngestKeeper {
  const unfinished = new Set<string>();
  return {
    follow(event) {
      if (event.kind === "transferring" && event.offset > 0n) unfinished.add(event.ref);
      else if (event.kind === "done" || event.kind === "exists") unfinished.delete(event.ref);
    },
    async keep() {
      const { content } = client.withNamespace(client.namespace);
      const signal = AbortSignal.timeout(KEEP_TIMEOUT_MS);
      await Promise.allSettled([...unfinished].map((ref) => touch(content, ref, signal)));
    },
  };
}

/** The daemon collects an ingest with the lease it was opened under; opening it without one gives it a term of its own. */
async function touch(content: Client["content"], ref: string, signal: AbortSignal): Promise<void> {
  const { offset } = await content.status(ref, { signal });
  if (offset === 0n) return;
  await using _writer = await openWriter(content, ref, { signal });
}
