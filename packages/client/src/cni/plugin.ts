import { ContainerdError } from "@ctr/api";
import { isJsonObject, type JsonObject } from "@ctr/oci";
import type { NetworkConfig, PluginConfig } from "./network-config.ts";

/** The program of a plugin, and the directories it finds further ones in. */
export interface PluginProgram {
  readonly path: string;
  readonly searchPath: readonly string[];
}

/** What a plugin is asked to do, to which interface of which container. CNI spec 1.1, section 2, "Parameters". */
export interface PluginCall {
  readonly command: "ADD" | "DEL";
  readonly containerId: string;
  /** Path of the network namespace; "" where it is gone. */
  readonly netns: string;
  readonly interfaceName: string;
  readonly args: Readonly<Record<string, string>>;
  /** Given on to the plugins that declare the capability. */
  readonly capabilityArgs: JsonObject;
  /** What the plugin before it answered, or what connecting came to. */
  readonly prevResult: JsonObject | undefined;
}

/** Both streams of a plugin are small; one that writes more is broken. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Looks for a plugin's program. `failed_precondition` where no directory has it. */
export function findPlugin(type: string, dirs: readonly string[]): PluginProgram {
  const { statSync } = process.getBuiltinModule("node:fs");
  for (const dir of dirs) {
    const path = `${dir}/${type}`;
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) return { path, searchPath: dirs };
  }
  throw new ContainerdError({
    code: "failed_precondition",
    what: `failed to find plugin "${type}" in path [${dirs.join(" ")}]`,
    fix: "install CNI plugins (Debian: containernetworking-plugins), or name their directory with CNI_PATH",
  });
}

/** Runs one plugin of a network, and returns what it answered; undefined where it said nothing. */
export async function runPlugin(
  program: PluginProgram,
  { network, plugin }: { readonly network: NetworkConfig; readonly plugin: PluginConfig },
  call: PluginCall,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const input = JSON.stringify(inputOf(network, plugin, call));
  const { exitCode, stdout, stderr } = await spawnPlugin(program, { input, env: environment(program, call), signal });
  signal.throwIfAborted();
  const answer = parseAnswer(stdout);
  if (exitCode !== 0) throw pluginFailed(plugin, call, { answer, stdout, stderr, exitCode });
  // One that leaves its version out speaks that of its configuration.
  return answer === undefined ? undefined : { cniVersion: network.cniVersion, ...answer };
}

/** The plugin's own configuration with what every plugin of the list is told. CNI spec 1.1, section 4. */
function inputOf(network: NetworkConfig, plugin: PluginConfig, call: PluginCall): JsonObject {
  const asked = plugin.capabilities.filter((name) => call.capabilityArgs[name] !== undefined);
  const runtimeConfig = Object.fromEntries(asked.map((name) => [name, call.capabilityArgs[name]]));
  return {
    ...plugin.members,
    name: network.name,
    cniVersion: network.cniVersion,
    ...(asked.length === 0 ? {} : { runtimeConfig }),
    ...(call.prevResult === undefined ? {} : { prevResult: call.prevResult }),
  };
}

/** Nothing of ours but the search path: plugins run as root, and what steers this program must not reach them. */
function environment({ searchPath }: PluginProgram, call: PluginCall): Readonly<Record<string, string>> {
  const args = Object.entries(call.args).map(([key, value]) => `${key}=${value}`);
  return {
    PATH: process.env["PATH"] || DEFAULT_PATH,
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId,
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.interfaceName,
    CNI_PATH: searchPath.join(":"),
    ...(args.length === 0 ? {} : { CNI_ARGS: args.join(";") }),
  };
}

interface SpawnOptions {
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

interface PluginOutput {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function spawnPlugin({ path }: PluginProgram, { input, env, signal }: SpawnOptions): Promise<PluginOutput> {
  const { spawn } = await import("node:child_process");
  // A session of its own: a terminal's Ctrl-C must not end it half way, and its own children end with it.
  const child = spawn(path, [], { env: { ...env }, cwd: "/", stdio: "pipe", detached: true });
  const end = () => endGroup(child.pid);
  signal.addEventListener("abort", end, { once: true });
  try {
    const exited = new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? 1));
    });
    // It may end without reading all of it, which its exit code tells.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const [exitCode, stdout, stderr] = await Promise.all([
      exited,
      gather(child.stdout, end),
      gather(child.stderr, end),
    ]);
    return { exitCode, stdout, stderr };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerdError({
      code: "failed_precondition",
      what: "cannot run CNI plugin",
      where: { path },
      why,
      cause,
    });
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function gather(stream: AsyncIterable<Uint8Array>, end: () => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.byteLength;
    if (length > MAX_OUTPUT_BYTES) end();
    else chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseAnswer(stdout: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(stdout);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // An answer that is none: the exit code decides, and a failure shows the text.
    return undefined;
  }
}

/** In the words of the CNI library, with what the plugin told. CNI spec 1.1, section 5, "Error". */
function pluginFailed(
  { type }: PluginConfig,
  { command }: PluginCall,
  { answer, stdout, stderr, exitCode }: PluginOutput & { readonly answer: JsonObject | undefined },
): ContainerdError {
  const told = [answer?.["msg"], answer?.["details"]].filter((text) => typeof text === "string" && text !== "");
  const raw = (stdout || stderr)
    .trim()
    .slice(-2000)
    .replace(/\s*\n\s*/g, "; ");
  const why =
    told.length > 0 ? told.join("; ") : raw || `netplugin failed with no error message: exit status ${exitCode}`;
  const action = command === "ADD" ? "add" : "delete";
  return new ContainerdError({ code: "unknown", what: `plugin type="${type}" failed (${action})`, why });
}
