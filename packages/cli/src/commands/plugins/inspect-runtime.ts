import { encodeAny, hasCode, type introspectionTypes } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { fail, wrap } from "../../errors.ts";
import { formatGoJson, type JsonValue, RawJson } from "../../go-json.ts";
import { runtimeOptions } from "../../runtime-options.ts";
import type { inspectRuntime } from "../../table/plugins.ts";

const TYPE = "io.containerd.runtime.v2";
const ID = "task";

/** `ctr plugins inspect-runtime`: what a shim says of itself and of the runtime below it. */
export const inspectCommand = defineCommand<typeof inspectRuntime>({
  async run({ flags, stdout, connect, signal }) {
    const request = encodeAny("containerd.types.RuntimeRequest", {
      runtimePath: flags.runtime,
      options: runtimeOptions(flags, undefined),
    });
    const client = await connect();
    const { extra } = await client.introspection
      .pluginInfo(TYPE, ID, { options: request, signal })
      .catch((error: unknown) => {
        if (!hasCode(error, "unimplemented")) throw error;
        throw wrap("the daemon or the shim cannot tell; it takes containerd 2.0 and a shim of 1.7 or later", error);
      });
    if (extra?.kind !== "containerd.types.RuntimeInfo") throw fail("the daemon's answer is no RuntimeInfo");
    await stdout.write(`${formatGoJson(facts(extra.value), "    ")}\n`);
  },
});

function facts(info: introspectionTypes.RuntimeInfo): JsonValue {
  const { name, version, options, features, annotations } = info;
  return {
    Name: name,
    Version: { Version: version?.version ?? "", Revision: version?.revision ?? "" },
    Options:
      options === undefined
        ? null
        : { type_url: options.typeUrl, value: Buffer.from(options.value).toString("base64") },
    Features: features === undefined ? null : new RawJson(new TextDecoder().decode(features.value)),
    Annotations: annotations,
  };
}
