import { defaultSpecFor, hostPlatform, orderedSpec, parsePlatform } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { wrap } from "../../errors.ts";
import { formatGoJson } from "../../go-json.ts";
import type { spec } from "../../table/oci.ts";

/** `ctr oci spec`: the spec a container starts from, before flags and image. */
export const specCommand = defineCommand<typeof spec>({
  async run({ flags, globals, stdout }) {
    const spec = defaultSpecFor(platformOs(flags.platform), { namespace: globals.namespace, id: "" });
    await stdout.write(`${formatGoJson(orderedSpec(spec), "    ")}\n`);
  },
});

function platformOs(text: string): string {
  if (text === "") return hostPlatform().os;
  try {
    return parsePlatform(text).os;
  } catch (error) {
    throw wrap("failed to generate spec", error);
  }
}
