import type { Channel, RegisteredService } from "@ctr/rpc";

/** Services by full name, each as what loads it: a short command uses one or two of them. */
export type ServiceLoaders = Readonly<Record<string, () => Promise<RegisteredService>>>;

/** A channel to services in this process that are loaded when they are first called. */
export function openLazyChannel(loadServices: () => Promise<ServiceLoaders>): Channel {
  const opened = new Map<string, Promise<Channel>>();
  const channelTo = (path: string): Promise<Channel> => {
    const name = path.slice(1, path.lastIndexOf("/"));
    const known = opened.get(name) ?? open(loadServices, name);
    opened.set(name, known);
    return known;
  };
  return {
    async unary(path, method, request, options) {
      return (await channelTo(path)).unary(path, method, request, options);
    },
    async *stream(path, method, requests, options) {
      yield* (await channelTo(path)).stream(path, method, requests, options);
    },
    [Symbol.asyncDispose]: () => (opened.size === 0 ? Promise.resolve() : closeAll([...opened.values()])),
  };
}

async function closeAll(opened: readonly Promise<Channel>[]): Promise<void> {
  // One that failed to load has told so to whoever called it.
  for (const channel of await Promise.allSettled(opened)) {
    if (channel.status === "fulfilled") await channel.value[Symbol.asyncDispose]();
  }
}

async function open(loadServices: () => Promise<ServiceLoaders>, name: string): Promise<Channel> {
  const [loaders, { openServiceChannel }] = await Promise.all([loadServices(), import("./in-process-channel.ts")]);
  return openServiceChannel(loaders, name);
}
