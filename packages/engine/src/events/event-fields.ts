import { decodeAny, type eventTypes } from "@ctr/api";
import { ABSENT, type FieldReader, type FieldValue, textField } from "../metadata/filters.ts";

/** Filter fields of an event: `namespace`, `topic`, and `event.<path>` under the names of the .proto files. */
export function eventFields(envelope: eventTypes.Envelope): FieldReader {
  return ([field, ...rest]) => {
    switch (field) {
      case "namespace":
      case "topic":
        return textField(envelope[field]);
      case "event":
        return payloadField(envelope, rest);
      default:
        return ABSENT;
    }
  };
}

function payloadField({ event }: eventTypes.Envelope, path: readonly string[]): FieldValue {
  const decoded = event === undefined ? undefined : decode(event);
  return decoded === undefined ? ABSENT : fieldOf(decoded, path);
}

/** What cannot be read has no fields; the event itself passes on. */
function decode(event: NonNullable<eventTypes.Envelope["event"]>): unknown {
  try {
    const decoded = decodeAny(event);
    return decoded?.kind === "json" ? undefined : decoded?.value;
  } catch {
    return undefined;
  }
}

/** Text and truth values can be asked for, through nested messages and maps; numbers, times and lists cannot. */
function fieldOf(value: unknown, path: readonly string[]): FieldValue {
  const [name, ...rest] = path;
  if (typeof value === "string") return name === undefined ? textField(value) : ABSENT;
  if (typeof value === "boolean") return name === undefined ? [String(value), true] : ABSENT;
  if (name === undefined || typeof value !== "object" || value === null) return ABSENT;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return ABSENT;
  const key = propertyOf(name);
  // An object has been proved; what is under the key is unknown.
  const next = Object.hasOwn(value, key) ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  if (name === "labels" && typeof next === "object" && next !== null) return labelOf(next, rest.join("."));
  return fieldOf(next, rest);
}

function labelOf(labels: object, key: string): FieldValue {
  const value: unknown = Object.hasOwn(labels, key)
    ? Object.entries(labels).find(([name]) => name === key)?.[1]
    : undefined;
  return typeof value === "string" ? [value, true] : ABSENT;
}

/** `container_id` in a .proto file is `containerId` in the generated code; a name in camel case is no name there, but one. */
function propertyOf(name: string): string {
  if (/[A-Z]/.test(name)) return name === "mediaType" ? name : "";
  return name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
