import { isJsonObject, type JsonObject, JsonReader } from "../../json-reader.ts";

/** Reads an object that may have the members it is given and no other. */
export class StrictReader extends JsonReader {
  readonly #object: JsonObject;
  readonly #path: string;

  constructor(object: JsonObject, path: string, members: readonly string[]) {
    super(object, path);
    this.#object = object;
    this.#path = path;
    const unknown = Object.keys(object).find((key) => !members.includes(key));
    if (unknown !== undefined) throw this.fault(unknown, "no version of CDI has such a member");
  }

  /** A string that is not empty. */
  filled(key: string): string {
    const value = this.string(key);
    if (value === "") throw this.fault(key, "it is empty");
    return value;
  }

  /** A path from the root down, without a step back. */
  absolute(key: string): string {
    const path = this.string(key);
    if (!path.startsWith("/")) throw this.fault(key, `"${path}" is no absolute path`);
    if (path.split("/").includes("..") || path.includes("\0")) throw this.fault(key, `"${path}" leads back up`);
    return path;
  }

  /** A whole number, not negative; undefined where it is left out. */
  number(key: string): number | undefined {
    return this.has(key) ? Number(this.size(key)) : undefined;
  }

  /** User or group ids. */
  ids(key: string): readonly number[] {
    return this.list(key).map((value) => {
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
        throw this.fault(key, `${String(value)} is no id`);
      }
      return value;
    });
  }

  /** A member that is an object, with the path that leads to it. */
  part(key: string): readonly [JsonObject, string] | undefined {
    return this.has(key) ? this.#named(this.#object[key], key) : undefined;
  }

  /** The objects of a list, each with the path that leads to it. */
  parts(key: string): readonly (readonly [JsonObject, string])[] {
    return this.list(key).map((value, index) => this.#named(value, `${key}[${index}]`));
  }

  #named(value: unknown, key: string): readonly [JsonObject, string] {
    if (!isJsonObject(value)) throw this.fault(key, "not an object");
    return [value, this.#path === "" ? key : `${this.#path}.${key}`];
  }
}
