import { type DecodedAny, decodeAny, eventsV1, type eventTypes, type protobufAny } from "@ctr/api";
import type { Timestamp } from "@ctr/oci";
import type { ServiceClient } from "@ctr/rpc";
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
  readonly #service: ServiceClient<typeof eventsV1.EventsDefinition>;

  constructor(client: Client) {
    this.#client = client;
    this.#service = client.service(eventsV1.EventsDefinition);
  }

  /**
   * Events of *all* namespaces from now on, until the loop is left or the daemon stops; several filters are
   * alternatives. Nothing is replayed: a subscriber learns what it missed by comparing states.
   */
  async *subscribe(filters: readonly string[] = [], settings: CallSettings = {}): AsyncIterable<EventEnvelope> {
    for await (const envelope of this.#service.subscribe({ filters }, this.#client.callOptions(settings))) {
      yield envelopeFromWire(envelope);
    }
  }

  /** Publishes in this client's namespace, stamped now. */
  async publish(topic: string, event: protobufAny.Any, settings: CallSettings = {}): Promise<void> {
    await this.#service.publish({ topic, event }, this.#client.callOptions(settings));
  }

  /** Passes an envelope on as it is. */
  async forward(envelope: eventTypes.Envelope, settings: CallSettings = {}): Promise<void> {
    await this.#service.forward({ envelope }, this.#client.callOptions(settings));
  }
}

function envelopeFromWire({ timestamp, namespace, topic, event }: eventTypes.Envelope): EventEnvelope {
  return {
    timestamp: timestampFromWire(timestamp),
    namespace,
    topic,
    event: event === undefined ? undefined : decodeAny(event),
    raw: event,
  };
}
