import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { fail } from "../errors.ts";

/** Asked for by type: a daemon that has no such plugin, as every 1.6, answers with none. */
const TRANSFER_PLUGIN = "type==io.containerd.transfer.v1";

/** Whether the daemon is to move the image itself: unless `--local` says otherwise, wherever it can. */
export async function usesTransfer(
  client: Client,
  { flags, signal }: { readonly flags: { readonly local: boolean }; readonly signal: AbortSignal },
): Promise<boolean> {
  if (flags.local) return false;
  return hasPlugin(client, TRANSFER_PLUGIN, signal);
}

/** Whether the daemon has a working plugin that `filter` finds; one call. */
export async function hasPlugin(client: Client, filter: string, signal: AbortSignal): Promise<boolean> {
  try {
    const plugins = await client.introspection.plugins([filter], { signal });
    return plugins.some(({ initError }) => initError === undefined);
  } catch (error) {
    if (hasCode(error, "unimplemented")) return false;
    throw error;
  }
}

/** Refuses the first flag given that only this program's own transfer knows. */
export function refuseLocalFlags<Name extends string>(
  { given }: { given(name: Name): boolean },
  names: readonly Name[],
): void {
  const refused = names.find((name) => given(name));
  if (refused !== undefined) throw fail(`"--${refused}" requires "--local" flag`);
}
