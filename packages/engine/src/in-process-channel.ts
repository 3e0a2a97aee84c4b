import { ContainerdError, errorFromStatus, toStatus } from "@ctr/api";
import { type Channel, openInProcessChannel } from "@ctr/rpc";
import type { ServiceLoaders } from "./lazy-channel.ts";

/** A channel to the one service of that name. */
export async function openServiceChannel(loaders: ServiceLoaders, name: string): Promise<Channel> {
  const load = loaders[name];
  if (load === undefined) throw new ContainerdError({ code: "unimplemented", what: `unknown service ${name}` });
  return openInProcessChannel({ services: [await load()], toStatus, errorFrom: errorFromStatus });
}
