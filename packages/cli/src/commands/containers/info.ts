import type { ContainerRecord } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import { failArgument } from "../../errors.ts";
import { formatGoJson, type JsonValue, RawJson } from "../../go-json.ts";
import type { info } from "../../table/containers.ts";
import { formatRfc3339Nano } from "../../units.ts";

/** `ctr containers info ID`: the record as JSON, its spec decoded. */
export const infoCommand = defineCommand<typeof info>({
  async run({ args: [id = ""], flags, stdout, connect, signal }) {
    if (id === "") throw failArgument("container id must be provided");
    const client = await connect();
    const record = await client.containers.get(id, { signal });
    const value = flags.spec ? specOf(record) : describe(record);
    await stdout.write(`${formatGoJson(value, "    ")}\n`);
  },
});

function describe(record: ContainerRecord): JsonValue {
  return {
    ID: record.id,
    Labels: sorted(record.labels),
    Image: record.image,
    Runtime: { Name: record.runtime.name, Options: anyOf(record.runtime.options) },
    SnapshotKey: record.snapshotKey,
    Snapshotter: record.snapshotter,
    CreatedAt: formatRfc3339Nano(record.createdAt),
    UpdatedAt: formatRfc3339Nano(record.updatedAt),
    Extensions: Object.fromEntries(
      Object.entries(sorted(record.extensions) ?? {}).map(([key, value]) => [key, anyOf(value)]),
    ),
    SandboxID: record.sandboxId,
    Spec: specOf(record),
  };
}

/** The stored text itself: numbers keep their digits, members that no type here knows stay. */
function specOf({ rawSpec }: ContainerRecord): JsonValue {
  return rawSpec === undefined ? null : new RawJson(new TextDecoder().decode(rawSpec.value));
}

function anyOf(any: { readonly typeUrl: string; readonly value: Uint8Array } | undefined): JsonValue {
  if (any === undefined) return null;
  const value = any.value.length === 0 ? undefined : Buffer.from(any.value).toString("base64");
  return { type_url: any.typeUrl, value };
}

/** A map as Go's encoder orders it; it writes `null` for one that is not there. */
function sorted<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
