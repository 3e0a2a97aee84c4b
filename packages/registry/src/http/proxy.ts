import { ContainerdError } from "@ctr/api";

/** The environment, or what a test puts in its place. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that Go's net/http would use for `url`: HTTPS_PROXY or HTTP_PROXY by scheme (lower case too), none for
 * loopback hosts or what NO_PROXY names. Throws `invalid_argument` for a proxy URL that cannot be used.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const text = url.protocol === "https:" ? pick(env, "HTTPS_PROXY") : httpProxy(env);
  if (text === "" || isLoopback(hostOf(url)) || bypasses(url, pick(env, "NO_PROXY"))) return undefined;
  return parseProxy(text);
}

/** Under CGI, HTTP_PROXY is a request header's value that an attacker chose. */
function httpProxy(env: Environment): string {
  return env["REQUEST_METHOD"] === undefined ? pick(env, "HTTP_PROXY") : (env["http_proxy"] ?? "");
}

function pick(env: Environment, name: string): string {
  return env[name] || env[name.toLowerCase()] || "";
}

function parseProxy(text: string): URL {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (proxy !== undefined && (proxy.protocol === "http:" || proxy.protocol === "https:")) return proxy;
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot use the proxy of the environment",
    // The value may hold a password.
    why: proxy === undefined ? "its URL cannot be read" : `scheme ${proxy.protocol}// is not supported`,
    fix: "set HTTPS_PROXY and HTTP_PROXY to http://host:port",
  });
}

/** `localhost` and every loopback address, which no proxy can reach. */
export function isLoopback(host: string): boolean {
  const lower = host.toLowerCase();
  if (lower === "localhost" || lower === "::1") return true;
  return /^127(?:\.\d{1,3}){3}$/.test(lower);
}

/** The host of a URL without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function bypasses(url: URL, list: string): boolean {
  const host = hostOf(url).toLowerCase().replace(/\.$/, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && entryMatches(entry, host, port));
}

function entryMatches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return cidrContains(entry, host);
  const withPort = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry);
  if (withPort !== null && withPort[2] !== port) return false;
  const name = (withPort?.[1] ?? entry).replace(/^\[|\]$/g, "");
  const isAddress = addressBits(host) !== undefined;
  if (isAddress) return sameAddress(name, host);
  // `.example.com` means names below it; `example.com` means it and names below; `*.` is written for `.`.
  const suffix = name.replace(/^\*\./, ".");
  if (suffix.startsWith(".")) return host.endsWith(suffix);
  return host === suffix || host.endsWith(`.${suffix}`);
}

function sameAddress(a: string, b: string): boolean {
  const left = addressBits(a);
  return left !== undefined && left === addressBits(b);
}

function cidrContains(cidr: string, host: string): boolean {
  const [address = "", lengthText = ""] = cidr.split("/");
  const network = addressBits(address);
  const bits = addressBits(host);
  const length = Number(lengthText);
  if (network === undefined || bits === undefined || !/^\d+$/.test(lengthText)) return false;
  return network.length === bits.length && network.slice(0, length) === bits.slice(0, length);
}

/** An IP address as text of 32 or 128 ones and zeros; `undefined` for a name. */
function addressBits(text: string): string | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4 !== null) {
    const bytes = v4.slice(1).map(Number);
    return bytes.some((byte) => byte > 255) ? undefined : bytes.map((byte) => toBits(byte, 8)).join("");
  }
  if (!text.includes(":") || !URL.canParse(`http://[${text}]/`)) return undefined;
  // The URL parser writes every IPv6 address one way: hex groups, the longest run of zeros as `::`.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = "", tail = ""] = canonical.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = canonical.includes("::") ? Array<string>(8 - before.length - after.length).fill("0") : [];
  return [...before, ...zeros, ...after].map((group) => toBits(Number.parseInt(group, 16), 16)).join("");
}

function toBits(value: number, width: number): string {
  return value.toString(2).padStart(width, "0");
}
