import { Client, type NearAnswers } from "@ctr/client";
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
  return new Client(owning, {
    namespace,
    snapshotter,
    ownsChannel: true,
    near: (name) => nearAnswers(engine, name),
    expectTask: (task) => engine.expectTask(task),
  });
}

/** What a command begins with, and whole lists. Those with filters are the services' to answer, and so is a caller that has given up. */
function nearAnswers({ reads, version }: EmbeddedEngine, namespace: string): NearAnswers {
  const all = <T>(read: () => T) => {
    return (filters: readonly string[] = [], settings: { readonly signal?: AbortSignal | undefined } = {}) =>
      filters.length > 0 || settings.signal?.aborted ? undefined : read();
  };
  const one = <T>(read: (name: string) => T) => {
    return (name: string, settings: { readonly signal?: AbortSignal | undefined } = {}) =>
      settings.signal?.aborted ? undefined : read(name);
  };
  return {
    container: one((id) => reads.container(namespace, id)),
    containers: { summaries: all(() => reads.containers(namespace)) },
    content: {
      documents: (digests) => reads.documents(namespace, digests),
      summaries: all(() => [reads.blobs(namespace)]),
    },
    images: { get: one((name) => reads.image(namespace, name)), summaries: all(() => reads.images(namespace)) },
    introspection: { uuid: () => reads.uuid() },
    leases: { list: all(() => reads.leases(namespace)) },
    namespaces: {
      get: one((name) => reads.namespace(name)),
      list: (settings) => all(() => reads.namespaces())([], settings),
    },
    snapshots: (name) => ({
      summaries: all(() => {
        const found = reads.snapshots(namespace, name);
        return found && [found];
      }),
    }),
    version,
  };
}
