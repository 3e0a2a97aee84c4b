import { protobufAny } from "@ctr/api";

type Any = protobufAny.Any;

/** An Any as a column holds it, whole: what cannot be decoded here must come out as it went in. */
export function anyToColumn(any: Any | undefined): Uint8Array | null {
  return any === undefined ? null : protobufAny.Any.encode(any).finish();
}

export function anyFromColumn(bytes: Uint8Array | null): Any | undefined {
  return bytes === null ? undefined : protobufAny.Any.decode(bytes);
}

/** Extensions by name, as JSON of base64. */
export function extensionsToColumn(extensions: Readonly<Record<string, Any>>): string {
  const entries = Object.entries(extensions);
  const encoded = entries.map(([key, any]) => [
    key,
    Buffer.from(protobufAny.Any.encode(any).finish()).toString("base64"),
  ]);
  return JSON.stringify(Object.fromEntries(encoded));
}

export function extensionsFromColumn(text: string): Record<string, Any> {
  // extensionsToColumn wrote it.
  const entries = Object.entries(JSON.parse(text) as Readonly<Record<string, string>>);
  return Object.fromEntries(
    entries.map(([key, base64]) => [key, protobufAny.Any.decode(Buffer.from(base64, "base64"))]),
  );
}
