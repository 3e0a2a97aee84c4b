import { hasCode } from "@ctr/api";
import { type Client, connect } from "@ctr/client";
import type { Globals } from "./command.ts";
import { fail } from "./errors.ts";

/** Nanoseconds that connecting may take unless `--connect-timeout` says otherwise. */
const DEFAULT_CONNECT_TIMEOUT = 10_000_000_000n;

/**
 * The client of whatever the global flags name; the only place that decides whom a command talks to. Fails as the Go
 * tool does where nothing listens.
 */
export async function connectEngine(globals: Globals, { signal }: { readonly signal: AbortSignal }): Promise<Client> {
  const { address, namespace } = globals;
  if (address === "embedded" || address.startsWith("embedded://")) {
    throw fail("the embedded engine is not part of this version", "name the socket of a containerd with --address");
  }
  const timeout = globals.connectTimeout <= 0n ? DEFAULT_CONNECT_TIMEOUT : globals.connectTimeout;
  try {
    return await connect({ address, namespace, signal, connectTimeoutMs: Number(timeout / 1_000_000n) });
  } catch (error) {
    // The Go tool gives an error of its dialler no class.
    throw hasCode(error, "unavailable", "permission_denied") ? fail(error.what, error.fix) : error;
  }
}
