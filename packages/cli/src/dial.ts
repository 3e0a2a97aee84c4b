import { hasCode } from "@ctr/api";
import { type Client, connect } from "@ctr/client";
import type { Globals } from "./command.ts";

/** Nanoseconds that connecting may take unless `--connect-timeout` says otherwise. */
const DEFAULT_CONNECT_TIMEOUT = 10_000_000_000n;

/** The client of the socket that the global flags name. Fails as the Go tool does where nothing listens. */
export async function dial(globals: Globals, { signal }: { readonly signal: AbortSignal }): Promise<Client> {
  const { address, addressGiven, namespace } = globals;
  const timeout = globals.connectTimeout <= 0n ? DEFAULT_CONNECT_TIMEOUT : globals.connectTimeout;
  try {
    const client = await connect({ address, namespace, signal, connectTimeoutMs: Number(timeout / 1_000_000n) });
    // A view, so that nothing closes the connection: the process ends with the command, and saying goodbye takes 0.2 ms.
    return client.withNamespace(namespace);
  } catch (error) {
    // The Go tool gives an error of its dialler no class.
    if (!hasCode(error, "unavailable", "permission_denied")) throw error;
    const hint = addressGiven ? error.fix : `${error.fix}; or work without containerd: ctr --address embedded`;
    const { fail } = await import("./errors.ts");
    throw fail(error.what, hint);
  }
}
