import { linkSync, renameSync, rmSync } from "node:fs";
import { ContainerdError, decodeAnyOf, eventsTtrpcV1, type eventTypes, toStatus } from "@ctr/api";
import { registerService, serveTtrpc } from "@ctr/rpc";
import type { FileLock } from "@ctr/sys";
import { publish } from "../events/journal.ts";
import { checkIdentifier } from "../scope.ts";
import { nanosOf } from "../store/clock.ts";
import type { Store } from "../store/store.ts";
import { TASK_DELETE, TASK_EXIT, TASK_PAUSED } from "./task-event-types.ts";
import { eventsSocket } from "./task-paths.ts";
import { onceOfExit, recordExit } from "./task-rows.ts";

/**
 * Where the shims of a store send their events. One process at a time serves it; the others wait for their turn. The
 * path exists from the first turn on: a shim shrugs at a socket that refuses, and stalls at a path that is missing.
 */
export interface EventsEndpoint extends AsyncDisposable {
  /** True while this process is the one that shims tell. */
  readonly isOwner: boolean;
  /**
   * Runs a call that makes a shim send an event. Disposing waits a moment for the events of calls that went well: the
   * answer may be here before the event is, and with nobody at the socket it would be lost.
   */
  expect<T>(event: ExpectedEvent, call: () => Promise<T>): Promise<T>;
  /**
   * Resolves when the events expected of a task have come, or a moment later: who tells of its end by another way than
   * the shim's event must not do so before its start was told.
   */
  told(task: { readonly namespace: string; readonly id: string }): Promise<void>;
}

export interface ExpectedEvent {
  readonly namespace: string;
  readonly topic: string;
  readonly id: string;
}

/** How often a process that is not the owner asks whether the owner is gone. */
const RETRY_MS = 500;
/** How long disposing waits for events that are under way. A shim sends within a millisecond or so. */
const SETTLE_MS = 500;

/** Serves the store's event socket, at once or as soon as its owner ends. */
export async function openEventsEndpoint(
  store: Store,
  options: { readonly signal: AbortSignal },
): Promise<EventsEndpoint> {
  const endpoint = new Endpoint(store, options.signal);
  await endpoint.tryOwn();
  return endpoint;
}

interface Turn extends AsyncDisposable {
  readonly lock: FileLock;
}

class Endpoint implements EventsEndpoint {
  readonly #store: Store;
  readonly #signal: AbortSignal;
  readonly #expected: string[] = [];
  #turn: Turn | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #trying: Promise<void> | undefined;
  readonly #waiters = new Set<() => void>();
  #disposed = false;

  constructor(store: Store, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  get isOwner(): boolean {
    return this.#turn !== undefined;
  }

  async expect<T>({ namespace, topic, id }: ExpectedEvent, call: () => Promise<T>): Promise<T> {
    if (!this.isOwner) return await call();
    const key = `${namespace} ${topic} ${id}`;
    this.#expected.push(key);
    try {
      return await call();
    } catch (error) {
      this.#arrived(key);
      throw error;
    }
  }

  told({ namespace, id }: { readonly namespace: string; readonly id: string }): Promise<void> {
    return this.#settled((key) => key.startsWith(`${namespace} `) && key.endsWith(` ${id}`));
  }

  tryOwn(): Promise<void> {
    this.#trying = this.#own().then(() => {
      if (this.isOwner || this.#disposed) return;
      // A turn that could not be taken is tried again; only the first failure has a caller to tell.
      this.#timer = setTimeout(() => this.tryOwn().catch(() => undefined), RETRY_MS);
      this.#timer.unref();
    });
    return this.#trying;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#timer);
    await this.#trying;
    await this.#settled(() => true);
    // The answer to the last event leaves before its connection ends.
    await new Promise((resolve) => setImmediate(resolve));
    const turn = this.#turn;
    this.#turn = undefined;
    await turn?.[Symbol.asyncDispose]();
  }

  async #own(): Promise<void> {
    const lock = this.#store.locks.tryOf("events");
    if (lock === undefined) return;
    try {
      this.#turn = await this.#serve(lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  async #serve(lock: FileLock): Promise<Turn> {
    const path = eventsSocket(this.#store);
    // Served under a name of its own, with the public one a link to it: that stays, refusing, when the server is gone.
    const own = `${path}.owner`;
    const services = [
      registerService(eventsTtrpcV1.EventsDefinition, {
        forward: async ({ envelope }) => {
          this.#take(envelope);
          return {};
        },
      }),
    ];
    const server = await serveTtrpc({ path: own, services, toStatus, signal: this.#signal });
    rmSync(`${path}.new`, { force: true });
    linkSync(own, `${path}.new`);
    renameSync(`${path}.new`, path);
    return {
      lock,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        lock[Symbol.dispose]();
      },
    };
  }

  #take(envelope: eventTypes.Envelope | undefined): void {
    const event = envelope?.event;
    if (!envelope || !event) throw new ContainerdError({ code: "invalid_argument", what: "the event has no content" });
    const namespace = checkIdentifier(envelope.namespace, "namespace");
    const container = envelope.topic.startsWith("/tasks/") ? containerOf(event) : "";
    writeShimEvent(this.#store, { ...envelope, namespace, event });
    this.#arrived(`${namespace} ${envelope.topic} ${container}`);
  }

  #arrived(key: string): void {
    const at = this.#expected.indexOf(key);
    if (at >= 0) this.#expected.splice(at, 1);
    for (const look of [...this.#waiters]) look();
  }

  /** Resolves when none of the expected events that `meant` names is missing, after SETTLE_MS at the latest. */
  async #settled(meant: (key: string) => boolean): Promise<void> {
    if (!this.#expected.some(meant)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (!this.#expected.some(meant)) resolve();
    };
    this.#waiters.add(look);
    const timer = setTimeout(resolve, SETTLE_MS);
    await promise;
    clearTimeout(timer);
    this.#waiters.delete(look);
  }
}

type ShimEvent = eventTypes.Envelope & { readonly event: NonNullable<eventTypes.Envelope["event"]> };

/** Writes what a shim tells into the journal; a task's exit into its row too, in the same transaction. */
function writeShimEvent(store: Store, { namespace, topic, event, timestamp }: ShimEvent): void {
  const time = timestamp === undefined ? store.clock.now() : nanosOf(timestamp);
  store.db.writeUnsynced((tx) => {
    const exit = decodeAnyOf(TASK_EXIT, event);
    if (exit?.exitedAt && exit.id === exit.containerId) {
      recordExit(store, tx, { namespace, id: exit.containerId }, { ...exit, exitedAt: exit.exitedAt });
      return;
    }
    publish(store, tx, { namespace, topic, event, time, ...onceOf(namespace, topic, event) });
  });
}

/** Events that more than one may tell of. */
function onceOf(namespace: string, topic: string, event: ShimEvent["event"]): { readonly once?: string } {
  const exit = decodeAnyOf(TASK_EXIT, event);
  if (exit) return { once: onceOfExit(topic, namespace, exit.containerId, exit.id, exit.exitedAt) };
  const gone = decodeAnyOf(TASK_DELETE, event);
  if (gone) return { once: onceOfExit(topic, namespace, gone.containerId, gone.id, gone.exitedAt) };
  return {};
}

/** The container that a task event is of. */
function containerOf(event: ShimEvent["event"]): string {
  return decodeAnyOf(TASK_PAUSED, { ...event, typeUrl: TASK_PAUSED.typeUrl })?.containerId ?? "";
}
