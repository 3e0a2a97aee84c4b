import { ContainerdError } from "@ctr/api";
import { parse, type TomlTable, type TomlValue } from "smol-toml";
import { parseDurationMs } from "../duration.ts";
import { allCapabilities, type Capability } from "./host.ts";

/** One table of a hosts.toml: the root, which speaks of the server, or a `[host."…"]`. Paths are as written. */
export interface HostEntry {
  readonly url: URL | undefined;
  readonly capabilities: ReadonlySet<Capability>;
  readonly ca: readonly string[];
  /** Certificate and key files; an empty key means the same file. */
  readonly client: readonly (readonly [cert: string, key: string])[];
  readonly skipVerify: boolean | undefined;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly overridePath: boolean;
  readonly dialTimeoutMs: number | undefined;
}

export interface HostsFile {
  /** In file order. */
  readonly hosts: readonly HostEntry[];
  /** Tried last; its URL is `undefined` where the file names none. */
  readonly server: HostEntry;
  /** Keys nobody reads, for a warning: `host."https://x".skip_verfiy`. */
  readonly unknownKeys: readonly string[];
}

const entryKeys: ReadonlySet<string> = new Set(
  "capabilities ca client skip_verify header override_path dial_timeout".split(" "),
);

/** Reads a hosts.toml. Throws `invalid_argument` naming `file` and the key at fault. */
export function parseHostsToml(text: string, file: string): HostsFile {
  const root = parseToml(text, file);
  const unknownKeys: string[] = [];
  const at = (path: string): Place => ({ file, path, unknownKeys });
  const hostTable = root["host"] ?? {};
  if (!isTable(hostTable)) throw fault(at("host"), "invalid `host` tree");
  // A parsed table keeps the order of the file, which is the order of trying.
  const hosts = Object.keys(hostTable).map((url) => {
    const place = at(`host.${JSON.stringify(url)}`);
    const table = hostTable[url];
    if (table === undefined || !isTable(table)) throw fault(place, "not a table");
    return readEntry(table, url, place);
  });
  const { host: _host, server, ...rest } = root;
  if (server !== undefined && typeof server !== "string") throw fault(at("server"), "not a string");
  return { hosts, server: readEntry(rest, server ?? "", at("")), unknownKeys };
}

/** Where a value stands, for messages, and where keys that mean nothing are noted. */
interface Place {
  readonly file: string;
  readonly path: string;
  readonly unknownKeys: string[];
}

function parseToml(text: string, file: string): TomlTable {
  try {
    return parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n", 1)[0] ?? "") : String(cause);
    throw new ContainerdError({ code: "invalid_argument", what: "failed to parse TOML", where: { file }, why, cause });
  }
}

function readEntry(table: TomlTable, urlText: string, place: Place): HostEntry {
  for (const key of Object.keys(table)) if (!entryKeys.has(key)) place.unknownKeys.push(keyPath(place, key));
  return {
    url: urlText === "" ? undefined : parseHostUrl(urlText, place),
    capabilities: readCapabilities(table["capabilities"], under(place, "capabilities")),
    ca: readStrings(table["ca"], under(place, "ca")),
    client: readClient(table["client"], under(place, "client")),
    skipVerify: readBool(table["skip_verify"], under(place, "skip_verify")),
    headers: readHeaders(table["header"], under(place, "header")),
    overridePath: readBool(table["override_path"], under(place, "override_path")) ?? false,
    dialTimeoutMs: readDuration(table["dial_timeout"], under(place, "dial_timeout")),
  };
}

function parseHostUrl(text: string, place: Place): URL {
  const full = text.startsWith("http") ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url !== undefined && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw fault(place.path === "" ? under(place, "server") : place, `unable to parse server ${JSON.stringify(text)}`);
}

function readCapabilities(value: TomlValue | undefined, place: Place): ReadonlySet<Capability> {
  const words = readList(value, place);
  if (words.length === 0) return allCapabilities;
  return new Set(
    words.map((word) => {
      const lower = word.toLowerCase();
      for (const capability of allCapabilities) if (capability === lower) return capability;
      throw fault(place, `unknown capability ${word}`);
    }),
  );
}

/** A list of strings and nothing else. */
function readList(value: TomlValue | undefined, place: Place): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw fault(place, "not a list of strings");
  return value.map((one) => {
    if (typeof one !== "string") throw fault(place, "not a list of strings");
    return one;
  });
}

/** A string or a list of strings. */
function readStrings(value: TomlValue | undefined, place: Place): readonly string[] {
  return typeof value === "string" ? [value] : readList(value, place);
}

/** A string, a list of strings, or a list of pairs. */
function readClient(value: TomlValue | undefined, place: Place): HostEntry["client"] {
  if (value === undefined) return [];
  if (typeof value === "string") return [[value, ""]];
  if (!Array.isArray(value)) throw fault(place, "not a string or a list");
  return value.map((one) => {
    if (typeof one === "string") return [one, ""];
    const [cert, key, ...more] = readList(one, place);
    if (cert === undefined || more.length > 0) throw fault(place, "a pair is a certificate file and a key file");
    return [cert, key ?? ""];
  });
}

function readBool(value: TomlValue | undefined, place: Place): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw fault(place, "not true or false");
}

function readHeaders(value: TomlValue | undefined, place: Place): HostEntry["headers"] {
  if (value === undefined) return {};
  if (!isTable(value)) throw fault(place, "not a table");
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => {
      const values = readStrings(field, under(place, name));
      const isClean = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && values.every((one) => !/[\r\n\0]/.test(one));
      if (!isClean) throw fault(under(place, name), "not a header field");
      return [name, values];
    }),
  );
}

/** A Go duration: `1m30s`. */
function readDuration(value: TomlValue | undefined, place: Place): number | undefined {
  if (value === undefined || value === "") return undefined;
  const ms = typeof value === "string" ? parseDurationMs(value) : undefined;
  if (ms === undefined) throw fault(place, "not a duration such as 30s");
  return ms;
}

function isTable(value: TomlValue): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}

function under(place: Place, key: string): Place {
  return { ...place, path: keyPath(place, key) };
}

function keyPath(place: Place, key: string): string {
  return place.path === "" ? key : `${place.path}.${key}`;
}

function fault(place: Place, why: string): ContainerdError {
  const where = { file: place.file, key: place.path };
  return new ContainerdError({ code: "invalid_argument", what: "cannot use hosts.toml", where, why });
}
