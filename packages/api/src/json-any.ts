import { ContainerdError } from "./error.ts";
import type { Any } from "./gen/google/protobuf/any.ts";

/** Resources of a task update: JSON of the runtime spec's `linux.resources`. */
export const LINUX_RESOURCES_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

/** Go types registered by URL rather than as protobuf travel as JSON; these are all under such prefixes. */
const jsonPrefixes = ["types.containerd.io/", "github.com/containerd/", "io.containerd.cri.v1/"];

/** `value` as JSON under a URL of a Go type. */
export function encodeJsonAny(typeUrl: string, value: unknown): Any {
  return { typeUrl, value: new TextEncoder().encode(JSON.stringify(value)) };
}

/** The JSON in `any`, whatever its URL. Throws `invalid_argument` when it is none. */
export function decodeJsonAny(any: Any): unknown {
  return decodeValue(any, (bytes) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
}

/** Whether the value of `any` is the JSON of a registered Go type. */
export function isJsonAny(any: Any): boolean {
  return jsonPrefixes.some((prefix) => any.typeUrl.startsWith(prefix));
}

/** What `decode` makes of the value in `any`; throws `invalid_argument` when that fails. */
export function decodeValue<T>(any: Any, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(any.value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const where = { type: any.typeUrl, bytes: any.value.byteLength };
    throw new ContainerdError({ code: "invalid_argument", what: "cannot decode message", where, why, cause });
  }
}
