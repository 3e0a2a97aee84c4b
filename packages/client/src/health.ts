import { ContainerdError, healthV1 } from "@ctr/api";
import { createClient } from "@ctr/rpc";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";

/** `Client.health`, in a file of its own because few ask. */
export async function checkHealth(client: Client, settings: CallSettings): Promise<void> {
  const health = createClient(healthV1.HealthDefinition, client.channel);
  const { status } = await health.check({}, client.callOptions(settings));
  if (status !== healthV1.HealthCheckResponse_ServingStatus.SERVING) {
    throw new ContainerdError({ code: "unavailable", what: "containerd is not serving", where: { status } });
  }
}
