import { ContainerdError } from "@ctr/api";
import { type Digest, parseDigest } from "./digest.ts";

/** A JSON object of unknown members. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses UTF-8 JSON that must be an object. Throws `invalid_argument` naming `what`. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new ContainerdError({ code: "invalid_argument", what: `cannot read ${what}`, why: "it is not JSON", cause });
  }
  if (isJsonObject(value)) return value;
  throw new ContainerdError({ code: "invalid_argument", what: `cannot read ${what}`, why: "it is no JSON object" });
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads members of a JSON object with checks; `path` leads to the object in messages: `layers[2]`. */
export class JsonReader {
  readonly #object: JsonObject;
  readonly #path: string;

  constructor(object: JsonObject, path: string) {
    this.#object = object;
    this.#path = path;
  }

  has(key: string): boolean {
    const value = this.#object[key];
    return value !== undefined && value !== null;
  }

  /** A string; "" when absent, as Go reads it. */
  string(key: string): string {
    const value = this.#object[key] ?? "";
    if (typeof value !== "string") throw this.fault(key, "not a string");
    return value;
  }

  bool(key: string): boolean {
    const value = this.#object[key] ?? false;
    if (typeof value !== "boolean") throw this.fault(key, "not a boolean");
    return value;
  }

  /** A whole number that JSON carries without loss. */
  size(key: string): bigint {
    const value = this.#object[key] ?? 0;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.fault(key, "not a whole number");
    if (value < 0) throw this.fault(key, `invalid size ${value}`);
    return BigInt(value);
  }

  digest(key: string): Digest {
    try {
      return parseDigest(this.string(key));
    } catch (cause) {
      throw this.fault(key, cause instanceof ContainerdError ? cause.why : String(cause), cause);
    }
  }

  strings(key: string): readonly string[] {
    return this.list(key).map((value) => {
      if (typeof value !== "string") throw this.fault(key, "not a list of strings");
      return value;
    });
  }

  /** A map of strings; empty when absent. */
  stringMap(key: string): Readonly<Record<string, string>> {
    const member = this.#member(key);
    if (member === undefined) return {};
    const entries = Object.entries(member);
    return Object.fromEntries(
      entries.map(([name, value]) => {
        if (typeof value !== "string") throw this.fault(`${key}.${name}`, "not a string");
        return [name, value];
      }),
    );
  }

  /** The keys of an object used as a set; empty when absent. */
  keys(key: string): readonly string[] {
    return Object.keys(this.#member(key) ?? {});
  }

  object(key: string): JsonReader | undefined {
    const value = this.#member(key);
    return value === undefined ? undefined : new JsonReader(value, this.#at(key));
  }

  objects(key: string): readonly JsonReader[] {
    return this.list(key).map((value, index) => {
      if (!isJsonObject(value)) throw this.fault(`${key}[${index}]`, "not an object");
      return new JsonReader(value, this.#at(`${key}[${index}]`));
    });
  }

  list(key: string): readonly unknown[] {
    const value = this.#object[key] ?? [];
    if (!Array.isArray(value)) throw this.fault(key, "not a list");
    return value;
  }

  fault(key: string, why: string, cause?: unknown): ContainerdError {
    return new ContainerdError({ code: "invalid_argument", what: `${this.#at(key)} is wrong`, why, cause });
  }

  #member(key: string): JsonObject | undefined {
    const value = this.#object[key];
    if (value === undefined || value === null) return undefined;
    if (!isJsonObject(value)) throw this.fault(key, "not an object");
    return value;
  }

  #at(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }
}
