import type { JsonValue } from "./go-json.ts";

/** Fields whose keys are the user's, not the message's. */
const MAPS: readonly string[] = ["labels", "annotations", "extensions", "exports"];

/**
 * A message as Go's JSON encoder prints it: the names of the .proto file, members that are zero left out, bytes in
 * base64. Undefined for a member that is left out.
 */
export function protoToJson(value: unknown): JsonValue | undefined {
  if (value === undefined || value === null || value === false || value === 0 || value === 0n || value === "") {
    return undefined;
  }
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "string" || value === true)
    return value;
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value).toString("base64");
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((item) => protoToJson(item) ?? zeroOf(item));
  if (typeof value === "object") return recordToJson(value);
  return undefined;
}

function recordToJson(value: object): JsonValue {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      snakeCase(name),
      MAPS.includes(name) ? mapToJson(member) : protoToJson(member),
    ]),
  );
}

function mapToJson(value: unknown): JsonValue | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.map(([key, member]) => [key, protoToJson(member) ?? ""]));
}

/** Inside a list nothing is left out. */
function zeroOf(item: unknown): JsonValue {
  return typeof item === "object" ? {} : typeof item === "string" ? "" : typeof item === "boolean" ? false : 0;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
