import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { ContainerdError } from "@ctr/api";
import { hasErrno } from "../store/disk-error.ts";
import type { Store } from "../store/store.ts";

/** A snapshotter that another daemon serves: an entry of `[proxy_plugins]`, as containerd's own configuration has it. */
export interface ProxyConfig {
  readonly name: string;
  /** Path of the daemon's unix socket. */
  readonly address: string;
  /** The name the daemon is asked under: ours, unless `snapshotter` says that it has another one there. */
  readonly remoteName: string;
  /** The file that says so. */
  readonly file: string;
  /** For introspection, as they were written. */
  readonly exports: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
}

/** Names of snapshotters that are in the engine itself. */
const BUILT_IN: ReadonlySet<string> = new Set(["overlayfs", "native"]);
const UNIX_SCHEME = /^unix:(?:\/\/)?/;

/** The machine's, for root; the user's own for anyone else. */
function machineFile(): string {
  if (process.geteuid?.() === 0) return "/etc/ctr/config.toml";
  return join(process.env["XDG_CONFIG_HOME"] || join(process.env["HOME"] || "/", ".config"), "ctr", "config.toml");
}

/**
 * The snapshotters of `config.toml` in the store's root, and of the machine's for names that the store's has not. Read
 * anew each time: it is asked for only where a name is not one of the engine's own. `invalid_argument` for a file that
 * cannot be read as such.
 */
export function proxyConfigs(store: Pick<Store, "root">): readonly ProxyConfig[] {
  const own = readProxies(join(store.root, "config.toml"));
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...readProxies(machineFile()).filter(({ name }) => !names.has(name))];
}

function readProxies(file: string): readonly ProxyConfig[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw fault(file, error instanceof Error ? error.message : String(error));
  }
  return parseProxies(text, file);
}

/** The snapshotters of a `config.toml`'s text. Other tables are other programs'. */
export function parseProxies(text: string, file: string): readonly ProxyConfig[] {
  const { proxy_plugins: plugins = {} } = parseTable(text, file);
  if (!isTable(plugins)) throw fault(file, "proxy_plugins is not a table");
  return Object.entries(plugins).map(([name, plugin]) => {
    const at = `proxy_plugins.${name}`;
    if (!isTable(plugin)) throw fault(file, `${at} is not a table`);
    return readProxy(name, plugin, { file, at });
  });
}

type Table = Readonly<Record<string, unknown>>;

interface Place {
  readonly file: string;
  readonly at: string;
}

function readProxy(name: string, plugin: Table, { file, at }: Place): ProxyConfig {
  const { type, address, snapshotter: remoteName = name, exports = {}, capabilities = [] } = plugin;
  if (type !== "snapshot") {
    throw fault(file, `${at}.type is ${JSON.stringify(type)}: only "snapshot" is known to the embedded engine`);
  }
  if (BUILT_IN.has(name)) throw fault(file, `${at} has the name of one of the engine's own snapshotters`);
  if (name === "" || /[/\s]/.test(name)) throw fault(file, `${at} is no name for a snapshotter`);
  const path = typeof address === "string" ? address.replace(UNIX_SCHEME, "") : "";
  if (!isAbsolute(path)) throw fault(file, `${at}.address is not the path of a unix socket`);
  if (typeof remoteName !== "string" || remoteName === "") throw fault(file, `${at}.snapshotter is not a name`);
  if (!isTexts(capabilities)) throw fault(file, `${at}.capabilities is not a list of words`);
  if (!isTable(exports) || !isTexts(Object.values(exports))) throw fault(file, `${at}.exports is not a table of texts`);
  const texts = Object.fromEntries(Object.entries(exports).map(([key, value]) => [key, String(value)]));
  return { name, address: path, remoteName, file, exports: texts, capabilities };
}

function parseTable(text: string, file: string): Table {
  try {
    const table: unknown = Bun.TOML.parse(text);
    return isTable(table) ? table : {};
  } catch (error) {
    throw fault(file, error instanceof Error ? error.message : String(error));
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function fault(file: string, why: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: "cannot read configuration", where: { file }, why });
}
