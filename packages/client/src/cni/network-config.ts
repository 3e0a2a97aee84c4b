import { ContainerdError } from "@ctr/api";
import { isJsonObject, type JsonObject, JsonReader, parseJsonObject } from "@ctr/oci";

/** One plugin of a network, in the order of the list. CNI spec 1.1, section 1. */
export interface PluginConfig {
  /** Name of the plugin's program. */
  readonly type: string;
  /** Arguments of the runtime that the plugin wants to hear of. */
  readonly capabilities: readonly string[];
  /** Everything its program is to be given, as it stands in the file. */
  readonly members: JsonObject;
}

/** A network: its plugins are called in order to connect a container and in reverse to disconnect it. */
export interface NetworkConfig {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly PluginConfig[];
  /** JSON of the list; a lone plugin's file made into one. */
  readonly text: string;
}

/** What names of networks may be; they become part of file names. CNI spec 1.1, section 1. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const EXTENSIONS = [".conf", ".conflist", ".json"];
/** The newest version whose results this code can hand from plugin to plugin. */
const NEWEST = [1, 1, 0];
/** A configuration is a page of text. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * The network of a configuration directory: its first file by name, as every tool has it. `failed_precondition` where
 * there is none, `invalid_argument` where it cannot be read.
 */
export function readNetworkConfig(dir: string): NetworkConfig {
  const [file] = configFiles(dir);
  if (file === undefined) throw noConfig(dir);
  const { readFileSync, statSync } = process.getBuiltinModule("node:fs");
  const path = `${dir}/${file}`;
  if (statSync(path).size > MAX_CONFIG_BYTES) throw badConfig(path, `it is larger than ${MAX_CONFIG_BYTES} bytes`);
  return parseNetworkConfig(readFileSync(path), path);
}

/** Reads a list of plugins, or a lone plugin, which is a list of one. `from` names it in errors. */
export function parseNetworkConfig(bytes: Uint8Array, from: string): NetworkConfig {
  try {
    const members = parseJsonObject(bytes, "network configuration");
    const list = "plugins" in members ? members : asList(members);
    const reader = new JsonReader(list, "");
    const plugins = reader.objects("plugins").map((_plugin, index) => pluginOf(reader.list("plugins")[index]));
    const name = reader.string("name");
    if (!NAME.test(name)) throw reader.fault("name", `"${name}" is no name of a network`);
    if (plugins.length === 0) throw reader.fault("plugins", "there are none");
    return { name, cniVersion: versionOf(reader), plugins, text: JSON.stringify(list) };
  } catch (error) {
    throw badConfig(from, error instanceof ContainerdError ? error.message : String(error), error);
  }
}

function configFiles(dir: string): readonly string[] {
  const { readdirSync } = process.getBuiltinModule("node:fs");
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    return names.filter((name) => EXTENSIONS.some((extension) => name.endsWith(extension))).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw badConfig(dir, error instanceof Error ? error.message : String(error), error);
  }
}

function asList(plugin: JsonObject): JsonObject {
  return { name: plugin["name"], cniVersion: plugin["cniVersion"], plugins: [plugin] };
}

function pluginOf(value: unknown): PluginConfig {
  // The reader has seen that it is an object.
  const members = isJsonObject(value) ? value : {};
  const reader = new JsonReader(members, "plugins");
  const type = reader.string("type");
  // It is looked for in a few directories, and must not lead out of them.
  if (type === "" || type.includes("/")) throw reader.fault("type", `"${type}" is no name of a plugin`);
  const wanted = reader.object("capabilities");
  const capabilities = reader.keys("capabilities").filter((key) => wanted?.bool(key));
  return { type, capabilities, members };
}

/** The version a list is in; of several, the newest one known here. */
function versionOf(list: JsonReader): string {
  const known = list.strings("cniVersions").filter((version) => compareVersions(numbersOf(version), NEWEST) <= 0);
  const [newest] = known.toSorted((a, b) => compareVersions(numbersOf(b), numbersOf(a)));
  return newest ?? list.string("cniVersion");
}

/** Whether a list of this version hands the result of connecting to the plugins that disconnect. */
export function keepsResult({ cniVersion }: NetworkConfig): boolean {
  return compareVersions(numbersOf(cniVersion), [0, 4, 0]) >= 0;
}

function numbersOf(version: string): readonly number[] {
  return version.split(".").map((part) => Number.parseInt(part, 10) || 0);
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  const different = [0, 1, 2].find((at) => (a[at] ?? 0) !== (b[at] ?? 0));
  return different === undefined ? 0 : (a[different] ?? 0) - (b[different] ?? 0);
}

function noConfig(dir: string): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: `no network config found in ${dir}`,
    fix: `put a list of CNI plugins there, such as ${dir}/10-bridge.conflist, or name another directory with NETCONFPATH`,
  });
}

function badConfig(path: string, why: string, cause?: unknown): ContainerdError {
  return new ContainerdError({
    code: "invalid_argument",
    what: "cannot read network configuration",
    where: { file: path },
    why,
    cause,
  });
}
