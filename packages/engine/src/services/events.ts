import { ContainerdError, type eventsV1, protobufEmpty } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { eventFields } from "../events/event-fields.ts";
import { followJournal } from "../events/follow.ts";
import { publish } from "../events/journal.ts";
import { checkTopic } from "../events/topic.ts";
import { parseFilters } from "../metadata/filters.ts";
import { checkIdentifier, scopeOf } from "../scope.ts";
import { nanosOf } from "../store/clock.ts";
import type { Store } from "../store/store.ts";
import { required } from "./wire.ts";

/** containerd.services.events.v1.Events over the journal: subscribers hear of what any process does in the store. */
export function eventsService(
  store: Store,
  onSubscribe: (signal: AbortSignal) => Promise<void> = async () => {},
): ServiceImpl<typeof eventsV1.EventsDefinition> {
  return {
    async publish(req, context) {
      const { namespace } = scopeOf(context);
      const entry = { namespace, topic: checkTopic(req.topic), event: required(req.event, "event") };
      store.db.write((tx) => publish(store, tx, entry));
      return protobufEmpty.Empty.fromPartial({});
    },

    async forward(req) {
      const { namespace, topic, event, timestamp } = required(req.envelope, "envelope");
      const entry = {
        namespace: checkIdentifier(namespace, "namespace"),
        topic: checkTopic(topic),
        event: required(event, "envelope.event"),
        // One without a time happened at the beginning of time, as containerd has it.
        time: timestamp === undefined ? 0n : nanosOf(timestamp),
      };
      store.db.write((tx) => publish(store, tx, entry));
      return protobufEmpty.Empty.fromPartial({});
    },

    async *subscribe({ filters }, { signal }) {
      const passes = parseSubscription(filters);
      await onSubscribe(signal);
      for await (const envelope of followJournal(store, { signal })) {
        if (passes(eventFields(envelope))) yield envelope;
      }
    },
  };
}

/** containerd gives a bad filter here no code of its own. */
function parseSubscription(filters: readonly string[]): ReturnType<typeof parseFilters> {
  try {
    return parseFilters(filters);
  } catch (error) {
    const why = error instanceof ContainerdError ? error.message : String(error);
    const what = `subscription error: failed parsing subscription filters: ${why}`;
    throw new ContainerdError({ code: "unknown", what, cause: error });
  }
}
