import type { containersV1 } from "@ctr/api";
import type { Containers } from "./containers.ts";
import type { RemoteContentStore } from "./content.ts";
import type { Images } from "./images.ts";
import type { Introspection } from "./introspection.ts";
import type { Leases } from "./leases.ts";
import type { Namespaces } from "./namespaces.ts";
import type { CallSettings } from "./settings.ts";
import type { RemoteSnapshotter } from "./snapshots.ts";

/** Some methods of a facade, answered in this process; `undefined` where the facade itself must. */
export type NearMethods<T> = {
  readonly [K in keyof T]?: T[K] extends (...args: infer A) => Promise<infer R>
    ? (...args: A) => R | undefined | Promise<R | undefined>
    : T[K] extends (...args: infer A) => AsyncIterable<infer R>
      ? (...args: A) => Iterable<R> | undefined
      : never;
};

/**
 * Answers without a call, by facade: an engine in this process has read its rows before a service is loaded. What these
 * leave open, or fail at, goes through the channel as any call does, which then tells the error.
 */
export interface NearAnswers {
  /** A container's record, as the service answers it. */
  readonly container?: (id: string, settings: CallSettings) => Promise<containersV1.Container> | undefined;
  readonly containers?: NearMethods<Containers>;
  readonly content?: NearMethods<RemoteContentStore>;
  readonly images?: NearMethods<Images>;
  readonly introspection?: NearMethods<Introspection>;
  readonly leases?: NearMethods<Leases>;
  readonly namespaces?: NearMethods<Namespaces>;
  /** By snapshotter. */
  snapshots?(name: string): NearMethods<RemoteSnapshotter>;
  /** The daemon's version and revision. */
  readonly version?: { readonly version: string; readonly revision: string };
}

/** The near answer to a call of a facade's method, if there is one. */
export function answerNear(near: object | undefined, name: string, args: readonly unknown[]): unknown {
  // A NearMethods: all its own members are functions, and it is asked for methods of a facade alone.
  const method = (near as Readonly<Record<string, ((...words: readonly unknown[]) => unknown) | undefined>>)?.[name];
  if (method === undefined) return undefined;
  // What fails here fails alike by the channel's call, which says so in the words of a daemon.
  try {
    const answer = method(...args);
    return answer instanceof Promise ? answer.catch(() => undefined) : answer;
  } catch {
    return undefined;
  }
}
