import type { Plugin } from "@ctr/client";
import { formatPlatform } from "@ctr/oci";

/** gRPC code names as Go prints them. */
const codeNames =
  "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated".split(
    " ",
  );

/** The lines of `plugins list -d` for one plugin. */
export function formatPluginDetails(plugin: Plugin): string {
  const { type, id, requires, platforms, exports, capabilities, initError } = plugin;
  const lines = [`Type:\t ${type}`, `ID:\t ${id}`];
  if (requires.length > 0) lines.push("Requires:\t", ...requires.map((required) => `\t ${required}`));
  const names = [...new Set(platforms.map(formatPlatform))].sort();
  if (names.length > 0) lines.push(`Platforms:\t ${names.join(",")}`);
  const exported = Object.entries(exports).sort(([a], [b]) => (a < b ? -1 : 1));
  if (exported.length > 0) lines.push("Exports:\t", ...exported.map(([key, value]) => `\t ${key} \t ${value}`));
  if (capabilities.length > 0) lines.push(`Capabilities:\t ${capabilities.join(",")}`);
  if (initError) {
    lines.push("Error:\t", `\t Code:\t ${codeNames[initError.code] ?? `Code(${initError.code})`}`);
    lines.push(`\t Message:\t ${initError.message}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
