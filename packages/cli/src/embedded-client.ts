import { Client } from "@ctr/client";
import type { EmbeddedEngine } from "./connect.ts";

/** A client in this process; disposing it ends the engine. */
export function embeddedClient(engine: EmbeddedEngine, namespace: string): Client {
  const { channel } = engine;
  const owning: EmbeddedEngine["channel"] = {
    unary: (path, method, request, options) => channel.unary(path, method, request, options),
    stream: (path, method, requests, options) => channel.stream(path, method, requests, options),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  // Overlays are root's to mount.
  const snapshotter = process.geteuid?.() === 0 ? "overlayfs" : "native";
  const expectTask = (task: Parameters<typeof engine.expectTask>[0]) => engine.expectTask(task);
  return new Client(owning, { namespace, snapshotter, ownsChannel: true, expectTask });
}
