import { refuse, type SpecOption, withLinux } from "./option.ts";
import type { SpecIdMapping, SpecNamespace } from "./types.ts";

const namespaceTypes: readonly string[] = ["pid", "network", "uts", "mount", "user", "ipc", "cgroup"];

/** `--with-ns type:path`: an existing namespace in place of a new one. */
export function withNamespace(text: string): SpecOption {
  const colon = text.indexOf(":");
  if (colon < 0 || text.indexOf(":", colon + 1) >= 0) {
    throw refuse("joining a Linux namespace using --with-ns requires the format 'nstype:path'");
  }
  const type = text.slice(0, colon);
  if (!namespaceTypes.includes(type)) {
    throw refuse(
      `the Linux namespace type specified in --with-ns is not valid: ${type}`,
      `the types are ${namespaceTypes.join(", ")}`,
    );
  }
  const joined: SpecNamespace = { type, path: text.slice(colon + 1) };
  return (spec) => {
    const namespaces = spec.linux?.namespaces ?? [];
    const at = namespaces.findIndex((namespace) => namespace.type === type);
    return withLinux(spec, { namespaces: at < 0 ? [...namespaces, joined] : namespaces.with(at, joined) });
  };
}

/** Reads `container-id:host-id:size`. */
export function parseIdMapping(text: string): SpecIdMapping {
  const parts = text.split(":");
  const [containerID, hostID, size] = parts.map(Number);
  if (parts.length !== 3 || !parts.every((part) => /^\d+$/.test(part) && Number(part) < 2 ** 32)) {
    throw refuse("user namespace mappings require the format `container-id:host-id:size`");
  }
  // Three numbers, as just checked; the defaults satisfy the compiler.
  return { containerID: containerID ?? 0, hostID: hostID ?? 0, size: size ?? 0 };
}

/** `--uidmap` with `--gidmap`: a user namespace of its own. */
export function withUserNamespace(uids: readonly SpecIdMapping[], gids: readonly SpecIdMapping[]): SpecOption {
  return (spec) => {
    const others = (spec.linux?.namespaces ?? []).filter(({ type }) => type !== "user");
    const linux = { namespaces: [...others, { type: "user" }] };
    const uidMappings = [...(spec.linux?.uidMappings ?? []), ...uids];
    return withLinux(spec, { ...linux, uidMappings, gidMappings: [...(spec.linux?.gidMappings ?? []), ...gids] });
  };
}
