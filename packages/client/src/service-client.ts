import { type Channel, createClient, type ServiceClient, type ServiceDefinition } from "@ctr/rpc";

/** Typed calls of a service. A file of its own, so that only who calls one loads it. */
export async function serviceClient<S extends ServiceDefinition>(
  load: () => Promise<S>,
  channel: Channel,
): Promise<ServiceClient<S>> {
  return createClient(await load(), channel);
}
