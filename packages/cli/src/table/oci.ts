import { declareCommand, type Entry, entry } from "../command.ts";
import { string } from "../flag.ts";

export const spec = declareCommand("spec", "Print the spec a container starts from", {
  flags: () => ({ platform: string("platform as os/arch[/variant]") }),
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(spec, async () => (await import("../commands/oci/spec.ts")).specCommand),
];
