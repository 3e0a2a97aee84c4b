import { ContainerdError, healthV1 } from "@ctr/api";
import type { CallContext, ServiceImpl } from "@ctr/rpc";

const { SERVING, SERVICE_UNKNOWN } = healthV1.HealthCheckResponse_ServingStatus;

/** grpc.health.v1.Health: whoever can ask is served. Only the server as a whole, "", is known by name. */
export function healthService(): ServiceImpl<typeof healthV1.HealthDefinition> {
  return {
    async check({ service }) {
      if (service === "") return { status: SERVING };
      throw new ContainerdError({ code: "not_found", what: "unknown service", where: { service } });
    },

    async list() {
      return { statuses: { "": { status: SERVING } } };
    },

    async *watch({ service }, context) {
      yield { status: service === "" ? SERVING : SERVICE_UNKNOWN };
      await ended(context);
    },
  };
}

/** Nothing changes, so there is no second answer: the stream stays open for as long as the client wants. */
function ended({ signal }: CallContext): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
