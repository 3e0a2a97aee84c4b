import { type DecodedAny, type eventTypes, loadAnyCodecs, type protobufAny, services } from "@ctr/api";
import type { Timestamp } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { timestampFromWire } from "./wire.ts";

/** One event with where and when it happened. */
export interface EventEnvelope {
  readonly timestamp: Timestamp | undefined;
  readonly namespace: string;
  /** `/tasks/exit`, `/images/create`… Engine reference: Topics. */
  readonly topic: string;
  /** The message, when its type is known here. */
  readonly event: DecodedAny | undefined;
  /** As it came. */
  readonly raw: protobufAny.Any | undefined;
}

/** The daemon's event bus. */
export class Events {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * Events of *all* namespaces from now on, until the loop is left or the daemon stops; several filters are
   * alternatives. Nothing is replayed: a subscriber learns what it missed by comparing states.
   */
  async *subscribe(filters: readonly string[] = [], settings: CallSettings = {}): AsyncIterable<EventEnvelope> {
    const { decodeAny } = await loadAnyCodecs();
    for await (const envelope of (await this.#service).subscribe({ filters }, this.#client.callOptions(settings))) {
      yield envelopeFromWire(envelope, decodeAny);
    }
  }

  /** Publishes in this client's namespace, stamped now. */
  async publish(topic: string, event: protobufAny.Any, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).publish({ topic, event }, this.#client.callOptions(settings));
  }

  /** Passes an envelope on as it is. */
  async forward(envelope: eventTypes.Envelope, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).forward({ envelope }, this.#client.callOptions(settings));
  }

  get #service() {
    return this.#client.service(services.events);
  }
}

function envelopeFromWire(
  { timestamp, namespace, topic, event }: eventTypes.Envelope,
  decodeAny: (any: protobufAny.Any) => DecodedAny | undefined,
): EventEnvelope {
  return {
    timestamp: timestampFromWire(timestamp),
    namespace,
    topic,
    event: event === undefined ? undefined : decodeAny(event),
    raw: event,
  };
}
