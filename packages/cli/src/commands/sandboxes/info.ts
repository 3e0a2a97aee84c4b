import type { protobufAny } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { failArgument, wrap } from "../../errors.ts";
import { formatGoJson, type JsonValue } from "../../go-json.ts";
import type { info } from "../../table/sandboxes.ts";
import { formatRfc3339Nano } from "../../units.ts";

/** `ctr sandboxes info ID`: the record as JSON. */
export const infoCommand = defineCommand<typeof info>({
  async run({ args: [id = ""], stdout, connect, signal }) {
    if (id === "") throw failArgument("sandbox id must be provided");
    const client = await connect();
    const record = await client.sandboxes.get(id, { signal }).catch((error: unknown) => {
      throw wrap(`failed to load sandbox ${id}`, error);
    });
    const { labels, runtime, spec, sandboxer, createdAt, updatedAt, extensions } = record;
    const value = {
      ID: id,
      Labels: Object.fromEntries(Object.entries(labels).sort()),
      Runtime: { Name: runtime.name, Options: anyOf(runtime.options) },
      Spec: anyOf(spec),
      Sandboxer: sandboxer,
      CreatedAt: formatRfc3339Nano(createdAt),
      UpdatedAt: formatRfc3339Nano(updatedAt),
      Extensions: Object.fromEntries(Object.entries(extensions).map(([key, any]) => [key, anyOf(any)])),
    };
    await stdout.write(`${formatGoJson(value, "    ")}\n`);
  },
});

function anyOf(any: protobufAny.Any | undefined): JsonValue {
  if (any === undefined || any.typeUrl === "") return null;
  return { type_url: any.typeUrl, value: Buffer.from(any.value).toString("base64") };
}
