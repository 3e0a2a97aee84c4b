import { isJsonObject, type JsonObject, parseJsonObject } from "@ctr/oci";
import { type NetworkConfig, parseNetworkConfig } from "./network-config.ts";

/**
 * That a container is connected to a network, and how, in a file that outlives the command: written before the first
 * plugin runs, so that a crash leaves word of what is to be taken down; removed when all plugins have let go. The file
 * is the one the CNI library keeps, with two members of ours, so that either tool can disconnect what the other connected.
 */
export interface Attachment {
  readonly containerId: string;
  /** Which of several containers of that id: other engines of this machine have their own. "" where nobody said. */
  readonly owner: string;
  readonly interfaceName: string;
  readonly network: NetworkConfig;
  readonly args: Readonly<Record<string, string>>;
  readonly capabilityArgs: JsonObject;
  /** Directories the plugins were found in; empty in a file of the CNI library. */
  readonly pluginDirs: readonly string[];
  /** What connecting came to; undefined while it is under way. */
  readonly result: JsonObject | undefined;
}

const KIND = "cniCacheV1";

export function writeAttachment(cacheDir: string, attachment: Attachment): void {
  const { mkdirSync, renameSync, writeFileSync } = process.getBuiltinModule("node:fs");
  const path = pathOf(cacheDir, attachment);
  mkdirSync(`${cacheDir}/results`, { recursive: true, mode: 0o700 });
  // Never seen half written.
  writeFileSync(`${path}.${process.pid}`, encode(attachment), { mode: 0o600 });
  renameSync(`${path}.${process.pid}`, path);
}

export function removeAttachment(cacheDir: string, attachment: Attachment): void {
  process.getBuiltinModule("node:fs").rmSync(pathOf(cacheDir, attachment), { force: true });
}

/** What a container is connected to. A file that cannot be read throws: it stands for something to take down. */
export function readAttachments(cacheDir: string, containerId: string): readonly Attachment[] {
  const { existsSync, readdirSync, readFileSync } = process.getBuiltinModule("node:fs");
  const dir = `${cacheDir}/results`;
  if (!existsSync(dir)) return [];
  // The end of a name may be the end of a longer id as well: the id inside decides.
  const names = readdirSync(dir).filter((name) => name.slice(0, name.lastIndexOf("-")).endsWith(`-${containerId}`));
  return names.flatMap((name) => {
    const attachment = decode(readFileSync(`${dir}/${name}`), `${dir}/${name}`);
    return attachment?.containerId === containerId ? [attachment] : [];
  });
}

function pathOf(cacheDir: string, { network, containerId, interfaceName }: Attachment): string {
  return `${cacheDir}/results/${network.name}-${containerId}-${interfaceName}`;
}

function encode({ network, args, result, ...rest }: Attachment): string {
  return JSON.stringify({
    kind: KIND,
    containerId: rest.containerId,
    config: Buffer.from(network.text).toString("base64"),
    ifName: rest.interfaceName,
    networkName: network.name,
    cniArgs: Object.entries(args),
    capabilityArgs: rest.capabilityArgs,
    pluginDirs: rest.pluginDirs,
    owner: rest.owner,
    ...(result === undefined ? {} : { result }),
  });
}

function decode(bytes: Uint8Array, path: string): Attachment | undefined {
  const members = parseJsonObject(bytes, `network attachment ${path}`);
  const { kind, containerId, config, ifName, cniArgs, capabilityArgs, pluginDirs, owner, result } = members;
  if (kind !== KIND || typeof containerId !== "string" || typeof config !== "string" || typeof ifName !== "string") {
    return undefined;
  }
  return {
    containerId,
    owner: typeof owner === "string" ? owner : "",
    interfaceName: ifName,
    network: parseNetworkConfig(Buffer.from(config, "base64"), path),
    args: Object.fromEntries(pairsOf(cniArgs)),
    capabilityArgs: isJsonObject(capabilityArgs) ? capabilityArgs : {},
    pluginDirs: Array.isArray(pluginDirs) ? pluginDirs.map(String) : [],
    result: isJsonObject(result) ? result : undefined,
  };
}

function pairsOf(value: unknown): readonly (readonly [string, string])[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((pair) => (Array.isArray(pair) ? [[String(pair[0]), String(pair[1])] as const] : []));
}
