import { ContainerdError, errorFromStatus, NAMESPACE_HEADER, services, type snapshotsV1 } from "@ctr/api";
import type { Cancel } from "@ctr/oci";
import { type CallOptions, ConnectError, connectH2c, createClient, type ServiceClient } from "@ctr/rpc";
import type { ProxyConfig } from "./proxy-config.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** The snapshotter of one daemon, as the calls of one namespace see it. Ended by disposing. */
export interface ProxyDaemon extends AsyncDisposable {
  readonly calls: ServiceClient<typeof snapshotsV1.SnapshotsDefinition>;
  options(namespace: string): CallOptions;
}

/**
 * Connects to the daemon of a proxied snapshotter; `unavailable` when nobody answers there. A connection lasts as long
 * as one call to us: a daemon may end and come again at any time.
 */
export async function connectProxy(config: ProxyConfig, { signal }: Cancel): Promise<ProxyDaemon> {
  try {
    const options = { path: config.address, signal, connectTimeoutMs: CONNECT_TIMEOUT_MS, errorFrom: errorFromStatus };
    const channel = await connectH2c(options);
    return {
      calls: createClient(await services.snapshots(), channel),
      options: (namespace) => ({ signal, metadata: { [NAMESPACE_HEADER]: namespace } }),
      [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
    };
  } catch (error) {
    if (error instanceof ConnectError) throw unreachable(config, error);
    throw error;
  }
}

function unreachable({ name, address, file }: ProxyConfig, cause: ConnectError): ContainerdError {
  return new ContainerdError({
    code: "unavailable",
    what: "cannot reach the snapshotter's daemon",
    where: { snapshotter: name, address },
    why: cause.errno,
    fix: `start the daemon, or mend its address in ${file}`,
    cause,
  });
}
