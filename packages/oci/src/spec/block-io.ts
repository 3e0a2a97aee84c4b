import { isJsonObject, type JsonObject } from "../json-reader.ts";
import { type DeviceNode, refuse, type SpecHost, type SpecOption, withResources } from "./option.ts";
import { expandPattern } from "./path-pattern.ts";
import { parseQuantity } from "./quantity.ts";
import type { SpecBlockIo } from "./types.ts";

// Classes of block I/O as goresctrl has them: a YAML file of `Classes`, each a list of settings for sets of devices.

const throttles = {
  throttlereadbps: "throttleReadBpsDevice",
  throttlewritebps: "throttleWriteBpsDevice",
  throttlereadiops: "throttleReadIOPSDevice",
  throttlewriteiops: "throttleWriteIOPSDevice",
} as const;
type Throttle = (typeof throttles)[keyof typeof throttles];
const members = ["devices", "weight", ...Object.keys(throttles)];

/** `--blockio-class`, of those that the file of `--blockio-config-file` defines. All of the file has to be right. */
export function withBlockIo(configFile: string, name: string): SpecOption {
  return async (spec, { host }) => {
    const classes = configFile === "" ? new Map<string, SpecBlockIo>() : await readClasses(configFile, host);
    if (name === "") return spec;
    const blockIO = classes.get(name);
    if (blockIO) return withResources(spec, { blockIO });
    const known = [...classes.keys()].toSorted();
    throw refuse(
      `blockio-class error: no OCI BlockIO parameters for class "${name}"`,
      known.length > 0 ? `the file has ${known.join(", ")}` : "name a file that defines it with --blockio-config-file",
    );
  };
}

async function readClasses(path: string, host: SpecHost): Promise<ReadonlyMap<string, SpecBlockIo>> {
  const text = await host.readFile(path).catch((error: unknown) => {
    throw refuse(`blockio-config-file error: failed to read config file "${path}": ${wordsOf(error)}`);
  });
  try {
    const file = folded(host.parseYaml(new TextDecoder().decode(text)) ?? {}, ["classes"]);
    const classes = file["classes"] ?? {};
    if (!isJsonObject(classes)) throw new Error("Classes is no map");
    const read = new Map<string, SpecBlockIo>();
    for (const [name, parts] of Object.entries(classes)) read.set(name, await readClass(parts, host));
    return read;
  } catch (error) {
    throw refuse(`blockio-config-file error: failed to set configuration from file "${path}": ${wordsOf(error)}`);
  }
}

/** Later settings of a device replace earlier ones. */
async function readClass(value: unknown, host: SpecHost): Promise<SpecBlockIo> {
  if (!Array.isArray(value)) throw new Error("a class is no list");
  let weight: number | undefined;
  const weights = new Map<string, number>();
  const rates = new Map<Throttle, Map<string, number>>();
  for (const part of value.map((one) => folded(one, members))) {
    const devices = part["devices"] === undefined ? undefined : await blockDevices(part["devices"], host);
    const own = quantity(part, "weight", 10, 1000);
    if (own !== undefined && devices === undefined) weight = own;
    if (own !== undefined) for (const device of devices ?? []) weights.set(device, own);
    for (const [key, member] of Object.entries(throttles)) {
      const rate = quantity(part, key, 0, undefined);
      if (rate === undefined) continue;
      if (devices === undefined) throw new Error(`ignoring throttling (${key}): Devices not listed`);
      const table = rates.get(member) ?? new Map<string, number>();
      rates.set(member, table);
      for (const device of devices) table.set(device, rate);
    }
  }
  const throttled = [...rates].map(([member, table]) => [member, rowsOf(table, "rate")] as const);
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(weights.size === 0 ? {} : { weightDevice: rowsOf(weights, "weight") }),
    ...Object.fromEntries(throttled.filter(([, rows]) => rows.length > 0)),
  };
}

function rowsOf<K extends "rate" | "weight">(table: ReadonlyMap<string, number>, key: K) {
  return [...table].map(([device, value]) => {
    const [major = 0, minor = 0] = device.split(":").map(Number);
    // One member of a name known here.
    return { major, minor, [key]: value } as { major: number; minor: number } & Record<K, number>;
  });
}

/** `major:minor` of the block devices that patterns match; a machine need not have all that a file speaks of. */
async function blockDevices(value: unknown, host: SpecHost): Promise<readonly string[]> {
  if (!Array.isArray(value)) throw new Error("Devices is no list");
  const matches = await Promise.all(value.map((pattern) => expandPattern(String(pattern), host)));
  const found = new Set<string>();
  for (const path of matches.flat()) {
    const real = await host.realPath(path);
    const entry = real === undefined ? undefined : await host.stat(real).catch(() => undefined);
    if (entry?.kind === "device" && entry.device.type === "b") found.add(numbersOf(entry.device));
  }
  return [...found];
}

function numbersOf({ major, minor }: DeviceNode): string {
  return `${major}:${minor}`;
}

function quantity(part: JsonObject, key: string, min: number, max: number | undefined): number | undefined {
  const text = part[key] ?? "";
  if (text === "") return undefined;
  const value = parseQuantity(String(text));
  if (value === undefined) throw new Error(`syntax error in "${key}" ("${String(text)}")`);
  if (value < min) throw new Error(`value of "${key}" (${value}) smaller than minimum (${min})`);
  if (max !== undefined && value > max) throw new Error(`value of "${key}" (${value}) bigger than maximum (${max})`);
  return value;
}

/** An object with its keys in lower case: the case of a key does not count, as in Go. Unknown ones are refused. */
function folded(value: unknown, known: readonly string[]): JsonObject {
  if (!isJsonObject(value)) throw new Error("it is no map");
  const entries = Object.entries(value).map(([key, member]) => [key.toLowerCase(), member] as const);
  const unknown = entries.find(([key]) => !known.includes(key));
  if (unknown) throw new Error(`unknown field "${unknown[0]}"`);
  return Object.fromEntries(entries);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
