import type { Digest } from "../digest.ts";
import { compareUtf8, type GoJson } from "../go-json.ts";
import { parseJsonObject } from "../json-reader.ts";

/**
 * An image's configuration with other diff IDs; `undefined` keeps the one there was. The ids of Docker's own, which
 * would name another image now, go. `members` are laid over its own.
 */
export function withDiffIDs(
  bytes: Uint8Array,
  diffIDs: readonly (Digest | undefined)[],
  members: Readonly<Record<string, GoJson>> = {},
): GoJson {
  const config = asRecord(parseJsonObject(bytes, "image config"));
  const rootfs = asRecord(config["rootfs"]);
  const old: unknown = rootfs["diff_ids"];
  const before: readonly unknown[] = Array.isArray(old) ? old : [];
  const after = before.map((id, at) => diffIDs[at] ?? String(id));
  const changed = { ...config, ...members, rootfs: { type: rootfs["type"] ?? "layers", diff_ids: after } };
  for (const key of ["config", "container_config"]) {
    const { [key]: section } = changed as Record<string, GoJson | undefined>;
    if (section === undefined || section === null) continue;
    const { Image: _image, ...rest } = asRecord(section);
    Object.assign(changed, { [key]: sorted(rest) });
  }
  return sorted(changed);
}

/** Members as a Go map has them. */
function sorted(record: Readonly<Record<string, GoJson | undefined>>): GoJson {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => compareUtf8(a, b)));
}

/** What came out of JSON.parse is nothing else; any other kind of value counts as empty. */
function asRecord(value: unknown): Readonly<Record<string, GoJson | undefined>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return value as Readonly<Record<string, GoJson | undefined>>;
}
