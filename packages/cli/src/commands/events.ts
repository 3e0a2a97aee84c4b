import type { EventEnvelope } from "@ctr/client";
import { defineCommand } from "../command.ts";
import { compactGoJson } from "../go-json.ts";
import { protoToJson } from "../proto-json.ts";
import type { events } from "../table/top-level.ts";
import { formatGoTime } from "../units.ts";

/** `ctr events [filter…]`: one line per event of any namespace, until the stream ends or the program is stopped. */
export const eventsCommand = defineCommand<typeof events>({
  async run({ args, stdout, log, connect, signal }) {
    const client = await connect();
    for await (const envelope of client.events.subscribe(args, { signal })) {
      if (envelope.raw && !envelope.event) {
        await log.warn("cannot unmarshal an event from Any", {
          error: `type with url ${envelope.raw.typeUrl}: not found`,
        });
      } else await stdout.write(formatEvent(envelope));
    }
  },
});

/** `<time> <namespace> <topic> <json>`; an event without a body leaves the last blank. */
export function formatEvent({ timestamp, namespace, topic, event }: EventEnvelope): string {
  const body = event === undefined ? "" : compactGoJson(protoToJson(event.value) ?? {});
  return `${formatGoTime(timestamp)} ${namespace} ${topic} ${body}\n`;
}
