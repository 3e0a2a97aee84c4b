import { services } from "@ctr/api";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";

/** `Client.version` of a daemon; an engine in this process knows its own. */
export async function daemonVersion(
  client: Client,
  settings: CallSettings,
): Promise<{ readonly version: string; readonly revision: string }> {
  return (await client.service(services.version)).version({}, client.callOptions(settings));
}
