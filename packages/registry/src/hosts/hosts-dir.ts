import { ContainerdError } from "@ctr/api";
import type { TlsOptions } from "../http/socket.ts";
import { type DefaultHostOptions, defaultHost, type HostSource, type RegistryHost } from "./host.ts";
import { type HostEntry, parseHostsToml } from "./hosts-toml.ts";

export interface HostsDirOptions extends DefaultHostOptions {
  /** `--hosts-dir`: holds one directory for each registry host. */
  readonly hostsDir?: string;
  /** Looked at one after the other where `hostsDir` is left out or empty; default none. */
  readonly defaultDirs?: readonly string[];
  /** Called for each key of a hosts.toml that nobody reads. */
  readonly onUnknownKey?: (file: string, key: string) => void;
}

/** Where containerd's own configuration and Docker's are by custom. */
export const defaultHostsDirs: readonly string[] = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];

/** Servers by hosts.toml, by Docker style certificates, or the default one; files are read anew each time. */
export function openHostSource(options: HostsDirOptions = {}): HostSource {
  return async (referenceHost) => {
    const fallback = defaultHost(referenceHost, options);
    const roots = options.hostsDir ? [options.hostsDir] : (options.defaultDirs ?? []);
    const directory = firstDirectory(roots, referenceHost);
    if (directory === undefined) return [fallback];
    const text = readOptional(`${directory}/hosts.toml`);
    if (text === undefined || text.trim() === "") return [withCertificates(fallback, directory)];
    return hostsFromToml(text, { directory, fallback, options });
  };
}

function firstDirectory(roots: readonly string[], referenceHost: string): string | undefined {
  for (const root of roots) {
    const directory = findHostDirectory(root, referenceHost);
    if (directory !== undefined) return directory;
  }
  return undefined;
}

/** The first directory that exists: `host_port_`, `host:port`, `host`, then `_default`. */
export function findHostDirectory(hostsDir: string, referenceHost: string): string | undefined {
  const port = /^(.*):(\d+)$/.exec(referenceHost);
  const names = port === null ? [referenceHost] : [`${port[1]}_${port[2]}_`, referenceHost];
  const fs = process.getBuiltinModule("node:fs");
  // A host name that climbs out of the directory is no host name.
  if (referenceHost.includes("/") || referenceHost.startsWith(".")) return undefined;
  const candidates = [...names, "_default"].map((name) => `${hostsDir}/${name}`);
  return candidates.find((path) => fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true);
}

interface TomlSource {
  readonly directory: string;
  readonly fallback: RegistryHost;
  readonly options: HostsDirOptions;
}

function hostsFromToml(text: string, source: TomlSource): readonly RegistryHost[] {
  const file = `${source.directory}/hosts.toml`;
  const parsed = parseHostsToml(text, file);
  for (const key of parsed.unknownKeys) source.options.onUnknownKey?.(file, key);
  const mirrors = parsed.hosts.map((entry) => toHost(entry, source));
  return [...mirrors, toHost(parsed.server, source)];
}

function toHost(entry: HostEntry, source: TomlSource): RegistryHost {
  const { fallback } = source;
  const hasTls = entry.ca.length > 0 || entry.client.length > 0 || entry.skipVerify !== undefined;
  const tls = hasTls ? { ...fallback.tls, ...readTls(entry, source.directory) } : fallback.tls;
  const root = entry.url === undefined ? fallback.root : apiRoot(entry);
  return {
    root: hasTls && root.protocol === "http:" && root.port !== "" ? withScheme(root, "https:") : root,
    capabilities: entry.capabilities,
    tls,
    headers: { ...fallback.headers, ...entry.headers },
    dialTimeoutMs: entry.dialTimeoutMs,
    // http with TLS settings means: TLS if the server has it (engine-behaviour.md section 23.2).
    plainFallback: entry.url === undefined ? fallback.plainFallback : hasTls && root.protocol === "http:",
  };
}

function apiRoot(entry: HostEntry & { readonly url: URL | undefined }): URL {
  const root = new URL(entry.url ?? "https://invalid");
  const path = root.pathname.replace(/\/+$/, "");
  root.pathname = entry.overridePath || path.endsWith("/v2") ? path : `${path}/v2`;
  return root;
}

function withScheme(url: URL, scheme: "https:"): URL {
  const copy = new URL(url);
  copy.protocol = scheme;
  return copy;
}

function readTls(entry: HostEntry, directory: string): TlsOptions {
  const pair = entry.client[0];
  return {
    ...(entry.ca.length === 0 ? {} : { ca: entry.ca.map((path) => readPem(within(directory, path))) }),
    ...(pair === undefined ? {} : { clientCert: readPair(pair, directory) }),
    ...(entry.skipVerify === undefined ? {} : { skipVerify: entry.skipVerify }),
  };
}

function readPair(pair: readonly [string, string], directory: string): { cert: string; key: string } {
  const [cert, key] = pair;
  return { cert: readPem(within(directory, cert)), key: readPem(within(directory, key === "" ? cert : key)) };
}

/** Docker's way: `*.crt` are authorities, `*.cert` with `*.key` of the same name are ours. */
function withCertificates(host: RegistryHost, directory: string): RegistryHost {
  const names = process.getBuiltinModule("node:fs").readdirSync(directory).toSorted();
  const ca = names.filter((name) => name.endsWith(".crt")).map((name) => readPem(`${directory}/${name}`));
  const cert = names.find((name) => name.endsWith(".cert"));
  const clientCert =
    cert === undefined ? {} : { clientCert: readPair([cert, cert.replace(/cert$/, "key")], directory) };
  return { ...host, tls: { ...host.tls, ...(ca.length === 0 ? {} : { ca, skipVerify: false }), ...clientCert } };
}

function within(directory: string, path: string): string {
  return path.startsWith("/") ? path : `${directory}/${path}`;
}

function readPem(path: string): string {
  let text: string;
  try {
    text = process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerdError({
      code: "invalid_argument",
      what: "cannot read certificate file",
      where: { file: path },
      why,
      cause,
    });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot read certificate file",
    where: { file: path },
    why: "it is not PEM",
  });
}

function readOptional(path: string): string | undefined {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerdError({
      code: "permission_denied",
      what: "cannot read hosts.toml",
      where: { file: path },
      why,
      cause,
    });
  }
}
