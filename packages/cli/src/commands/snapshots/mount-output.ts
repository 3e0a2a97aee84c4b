import type { Mount } from "@ctr/oci";
import { formatGoJson } from "../../go-json.ts";

/** The shell commands that mount `mounts` on `target`, one a line. */
export function mountCommands(mounts: readonly Mount[], target: string): string {
  return mounts.map((mount) => mountCommand(mount, target)).join("");
}

function mountCommand({ type, source, target: below, options }: Mount, target: string): string {
  const at = below === "" ? target : `${target.replace(/\/$/, "")}/${below.replace(/^\//, "")}`;
  const tail = options.length === 0 ? "" : ` -o ${options.join(",")}`;
  return `mount -t ${type} ${source} ${at}${tail}\n`;
}

/** `--mounts`: the same as JSON. */
export function mountsJson(mounts: readonly Mount[]): string {
  const records = mounts.map(({ type, source, target, options }) => ({
    Type: type,
    Source: source,
    Target: target,
    Options: options,
  }));
  return `${formatGoJson(records, "    ")}\n`;
}
