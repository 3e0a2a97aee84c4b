import type { RequestHeaders } from "../http/message.ts";
import { hostOf, isLoopback } from "../http/proxy.ts";
import type { TlsOptions } from "../http/socket.ts";

export type Capability = "pull" | "resolve" | "push" | "referrers";

export const allCapabilities: ReadonlySet<Capability> = new Set(["pull", "resolve", "push", "referrers"]);

/** One server that can be asked for what a reference names. */
export interface RegistryHost {
  /** Scheme, host, port and API root, without a closing slash: `https://registry-1.docker.io/v2`. */
  readonly root: URL;
  readonly capabilities: ReadonlySet<Capability>;
  readonly tls: TlsOptions;
  /** Sent with every request to this host, token requests included. */
  readonly headers: RequestHeaders;
  readonly dialTimeoutMs: number | undefined;
  /** The same server over plain HTTP, for one that turns out to have no TLS. */
  readonly plainFallback: boolean;
}

/** Finds the servers for a reference's host, in the order they are tried. */
export type HostSource = (referenceHost: string) => Promise<readonly RegistryHost[]>;

export interface DefaultHostOptions {
  /** `--plain-http`: do not try TLS at all. */
  readonly plainHttp?: boolean;
  readonly tls?: TlsOptions;
  readonly headers?: RequestHeaders;
}

/** The one server a host name stands for when nothing is configured; docker.io is spoken to at registry-1.docker.io. */
export function defaultHost(referenceHost: string, options: DefaultHostOptions = {}): RegistryHost {
  const host = referenceHost === "docker.io" ? "registry-1.docker.io" : referenceHost;
  const local = isLoopback(hostOf(new URL(`https://${host}`)));
  const scheme = schemeFor(host, local, options);
  const tls = options.tls ?? {};
  return {
    root: new URL(`${scheme}://${host}/v2`),
    capabilities: allCapabilities,
    // Whoever can listen on loopback could as well read our memory: its certificate proves nothing.
    tls: local && tls.ca === undefined ? { ...tls, skipVerify: true } : tls,
    headers: options.headers ?? {},
    dialTimeoutMs: undefined,
    plainFallback: scheme === "https" && local && !isTlsPort(host),
  };
}

/** Loopback registries without TLS on the port are usual: HTTPS is tried first, then HTTP. */
function schemeFor(host: string, local: boolean, options: DefaultHostOptions): "http" | "https" {
  if (options.plainHttp !== true) return local && hasPort(host, 80) ? "http" : "https";
  return "http";
}

function isTlsPort(host: string): boolean {
  return hasPort(host, 443) || !/:\d+$/.test(host);
}

function hasPort(host: string, port: number): boolean {
  return host.endsWith(`:${port}`);
}
