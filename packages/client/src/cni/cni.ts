import { ContainerdError } from "@ctr/api";
import type { JsonObject } from "@ctr/oci";
import { type Attachment, readAttachments, removeAttachment, writeAttachment } from "./attachment.ts";
import { keepsResult, type NetworkConfig, readNetworkConfig } from "./network-config.ts";
import { isInUse, pinNetns, pinnedNetns, unpinNetns } from "./pinned-netns.ts";
import { findPlugin, type PluginCall, runPlugin } from "./plugin.ts";

/** Where CNI's parts are, and what its plugins are told. */
export interface CniOptions {
  /** Directory of network configurations; `$NETCONFPATH`, else `/etc/cni/net.d`. */
  readonly configDir?: string | undefined;
  /** Directories of plugins; those of `$CNI_PATH`, else `/opt/cni/bin` and `/usr/lib/cni`. */
  readonly pluginDirs?: readonly string[] | undefined;
  /** Where it is kept what is connected to what; `/var/lib/cni`, as in the CNI library. */
  readonly cacheDir?: string | undefined;
  /** Arguments that every plugin gets in `CNI_ARGS`. */
  readonly args?: Readonly<Record<string, string>> | undefined;
  /** Arguments for the plugins that declare the capability: `portMappings`, `ipRanges`, `dns`… */
  readonly capabilityArgs?: JsonObject | undefined;
  /** Ends connecting, which takes down what came about; that of the call unless it is given. */
  readonly signal?: AbortSignal | undefined;
}

/** A container's connection to a network. */
export interface ContainerNetwork {
  readonly name: string;
  /** In the container. */
  readonly interfaceName: string;
  /** With prefix lengths: `10.4.0.7/24`. */
  readonly addresses: readonly string[];
  /** What the last plugin answered, in the version of the configuration. CNI spec 1.1, section 5. */
  readonly result: JsonObject;
}

/** Who is to be connected. */
export interface CniTarget {
  /** Unique on this machine; the Go tools use `<namespace>-<container>`. */
  readonly id: string;
  /** Tells it from a container of the same id in another engine of this machine. */
  readonly owner: string;
}

const INTERFACE = "eth0";
/** Where network namespaces are kept while something is connected to them. */
const NETNS_DIR = "/run/ctr/netns";
/** A plugin that takes longer to let go never will. */
const DETACH_TIMEOUT_MS = 120_000;

/** The network a container would be connected to, its plugins found. Throws what `attachNetwork` would. */
export function findNetwork(options: CniOptions = {}): NetworkConfig {
  const { configDir, pluginDirs } = placesOf(options);
  const network = readNetworkConfig(configDir);
  for (const { type } of network.plugins) findPlugin(type, pluginDirs);
  return network;
}

/** Connects a container. When a plugin fails, what the ones before it made is taken down again. */
export async function attachNetwork(
  { id, owner, pid }: CniTarget & { readonly pid: number },
  options: CniOptions,
  signal: AbortSignal,
): Promise<ContainerNetwork> {
  const { pluginDirs, cacheDir } = placesOf(options);
  const network = findNetwork(options);
  const { args = {}, capabilityArgs = {} } = options;
  const attachment = { containerId: id, owner, interfaceName: INTERFACE, network, args, capabilityArgs, pluginDirs };
  await removeRemains(id, options);
  try {
    const netns = await pinNetns(NETNS_DIR, id, pid);
    writeAttachment(cacheDir, { ...attachment, result: undefined });
    const result = await addAll({ ...attachment, result: undefined }, netns, signal);
    writeAttachment(cacheDir, { ...attachment, result });
    return { name: network.name, interfaceName: INTERFACE, addresses: addressesOf(result), result };
  } catch (error) {
    // The error that led here is the one to see; what stays is told of by the attachment's file.
    await detachNetworks({ id, owner }, options).catch(() => undefined);
    throw error;
  }
}

/** Disconnects a container from all it is connected to. Nothing there is no error. A plugin that fails leaves the rest. */
export async function detachNetworks({ id, owner }: CniTarget, options: CniOptions = {}): Promise<void> {
  const attachments = readAttachments(placesOf(options).cacheDir, id);
  const ours = attachments.filter((attachment) => attachment.owner === owner || attachment.owner === "");
  if (ours.length === attachments.length) await detachAll(id, ours, options);
}

/** What a command that was killed, or a machine that went down, left of an earlier container of this id. */
async function removeRemains(id: string, options: CniOptions): Promise<void> {
  const netns = pinnedNetns(NETNS_DIR, id);
  if (netns !== undefined && isInUse(netns)) {
    throw new ContainerdError({
      code: "already_exists",
      what: "cannot connect container to a network",
      where: { container: id },
      why: "another engine of this machine has a running container of that name connected",
      fix: "give it another id or namespace",
    });
  }
  await detachAll(id, readAttachments(placesOf(options).cacheDir, id), options);
}

async function detachAll(id: string, attachments: readonly Attachment[], options: CniOptions): Promise<void> {
  const places = placesOf(options);
  const netns = pinnedNetns(NETNS_DIR, id) ?? "";
  const failures: unknown[] = [];
  for (const attachment of attachments) {
    const pluginDirs = [...new Set([...attachment.pluginDirs, ...places.pluginDirs])];
    const failed = await deleteAll({ ...attachment, pluginDirs }, netns);
    if (failed.length === 0) removeAttachment(places.cacheDir, attachment);
    failures.push(...failed);
  }
  if (failures.length > 0) throw failures[0];
  await unpinNetns(NETNS_DIR, id);
}

async function addAll(attachment: Attachment, netns: string, signal: AbortSignal): Promise<JsonObject> {
  const { network, pluginDirs } = attachment;
  let result: JsonObject | undefined;
  for (const plugin of network.plugins) {
    const call = callOf(attachment, "ADD", { netns, prevResult: result });
    result = (await runPlugin(findPlugin(plugin.type, pluginDirs), { network, plugin }, call, signal)) ?? result;
  }
  return result ?? { cniVersion: network.cniVersion };
}

/** Each plugin is asked, whatever became of the others; the failures. */
async function deleteAll(attachment: Attachment, netns: string): Promise<readonly unknown[]> {
  const { network, pluginDirs } = attachment;
  const failures: unknown[] = [];
  for (const plugin of network.plugins.toReversed()) {
    const prevResult = keepsResult(network) ? attachment.result : undefined;
    const call = callOf(attachment, "DEL", { netns, prevResult });
    try {
      const signal = AbortSignal.timeout(DETACH_TIMEOUT_MS);
      await runPlugin(findPlugin(plugin.type, pluginDirs), { network, plugin }, call, signal);
    } catch (error) {
      if (!isGone(error, netns)) failures.push(error);
    }
  }
  return failures;
}

function callOf(
  { containerId, interfaceName, args, capabilityArgs }: Attachment,
  command: PluginCall["command"],
  rest: Pick<PluginCall, "netns" | "prevResult">,
): PluginCall {
  return { command, containerId, interfaceName, args, capabilityArgs, ...rest };
}

/** Plugins ought to succeed where nothing is left to take down, and some do not: what go-cni looks over. */
function isGone(error: unknown, netns: string): boolean {
  const text = error instanceof Error ? error.message : "";
  if (text.startsWith("failed to find plugin")) return false;
  return text.includes("not found") || (netns === "" && text.includes("no such file or directory"));
}

/** Addresses of a result: a list since version 0.3.0, before that one of each family. */
function addressesOf(result: JsonObject): readonly string[] {
  const list = Array.isArray(result["ips"]) ? result["ips"].map((ip) => memberOf(ip, "address")) : [];
  const old = [memberOf(result["ip4"], "ip"), memberOf(result["ip6"], "ip")];
  return [...list, ...old].filter((address) => address !== undefined);
}

function memberOf(value: unknown, key: string): string | undefined {
  const member: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  return typeof member === "string" ? member : undefined;
}

function placesOf({ configDir, pluginDirs, cacheDir }: CniOptions) {
  const { NETCONFPATH, CNI_PATH } = process.env;
  return {
    configDir: configDir ?? (NETCONFPATH || "/etc/cni/net.d"),
    pluginDirs: pluginDirs ?? (CNI_PATH ? CNI_PATH.split(":") : ["/opt/cni/bin", "/usr/lib/cni"]),
    cacheDir: cacheDir ?? "/var/lib/cni",
  };
}
