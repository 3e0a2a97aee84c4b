import { ContainerdError, type ErrorCode } from "@ctr/api";

/** The request an error is about, for Go's `Head "https://…": …`. */
export interface FailedRequest {
  readonly method: string;
  readonly url: URL;
}

/** What went wrong on the way, as Go words it, and what can be done about it. */
interface Fault {
  readonly code: ErrorCode;
  readonly why: string;
  readonly fix?: string;
}

/** Words of the TLS libraries for a peer that does not speak TLS. */
const NOT_TLS = /WRONG_VERSION_NUMBER|HTTP_REQUEST|wrong version number|packet length too long/i;

/** True when TLS failed because the server answered in plain HTTP. */
export function isPlainHttpAnswer(error: unknown): boolean {
  return NOT_TLS.test(`${errorCode(error)} ${error instanceof Error ? error.message : ""}`);
}

/** Any failure of a request before its answer as one error in Go's words; a `ContainerdError` passes through. */
export function requestError(error: unknown, request: FailedRequest): ContainerdError {
  if (error instanceof ContainerdError) return error;
  const { code, why, fix } = faultOf(error, request.url);
  const verb = request.method.charAt(0) + request.method.slice(1).toLowerCase();
  return new ContainerdError({
    code,
    what: `failed to do request: ${verb} ${JSON.stringify(redactUrl(request.url))}`,
    why,
    ...(fix === undefined ? {} : { fix }),
    cause: error,
  });
}

/** A URL without the secrets it may carry: user info, and values of query keys that are not known to be harmless. */
export function redactUrl(url: URL): string {
  const copy = new URL(url);
  copy.username = "";
  copy.password = "";
  // A hosts.toml whose server is `ftp://user:password@host` means host `ftp`, as in containerd, and the rest is a path.
  copy.pathname = copy.pathname.replace(/\/\/[^/@]*@/, "//");
  for (const key of new Set(copy.searchParams.keys())) {
    if (!harmlessKeys.has(key)) copy.searchParams.set(key, "redacted");
  }
  return copy.href;
}

const harmlessKeys: ReadonlySet<string> = new Set(["ns", "digest", "mount", "from", "service", "scope", "n", "last"]);

function faultOf(error: unknown, url: URL): Fault {
  const code = errorCode(error);
  const peer = `dial tcp ${addressOf(error, url)}`;
  if (isPlainHttpAnswer(error)) {
    const why = "http: server gave HTTP response to HTTPS client";
    return { code: "unavailable", why, fix: "use --plain-http if this registry really has no TLS" };
  }
  const tls = tlsFault(code, error, url);
  if (tls !== undefined) return tls;
  switch (code) {
    case "ECONNREFUSED":
      return {
        code: "unavailable",
        why: `${peer}: connect: connection refused`,
        fix: `check that ${url.host} is up and reachable`,
      };
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NODATA":
      return {
        code: "unavailable",
        why: `dial tcp: lookup ${url.hostname}: no such host`,
        fix: "check the registry's name and the DNS",
      };
    case "ENETUNREACH":
      return { code: "unavailable", why: `${peer}: connect: network is unreachable` };
    case "EHOSTUNREACH":
      return { code: "unavailable", why: `${peer}: connect: no route to host` };
    case "ETIMEDOUT":
      return {
        code: "deadline_exceeded",
        why: `${peer}: i/o timeout`,
        fix: `check that ${url.host} is reachable from here`,
      };
    case "ECONNRESET":
    case "EPIPE":
    case "ERR_STREAM_PREMATURE_CLOSE":
      return { code: "unavailable", why: "read: connection reset by peer" };
    case "HPE_INVALID_CONSTANT":
      return { code: "unavailable", why: "malformed HTTP response" };
    default:
      return { code: "unavailable", why: error instanceof Error ? error.message : String(error) };
  }
}

function tlsFault(code: string, error: unknown, url: URL): Fault | undefined {
  const prefix = "tls: failed to verify certificate: x509: ";
  const fix = "name the registry's CA with --tlscacert, or --skip-verify if nothing secret is at stake";
  if (/SELF_SIGNED|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY|CERT_UNTRUSTED/.test(code)) {
    return { code: "unavailable", why: `${prefix}certificate signed by unknown authority`, fix };
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return { code: "unavailable", why: `${prefix}certificate has expired or is not yet valid`, fix };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return { code: "unavailable", why: `${prefix}certificate is not valid for ${url.hostname}`, fix };
  }
  if (!/SSL|TLS|EPROTO/.test(code)) return undefined;
  return { code: "unavailable", why: `tls: ${error instanceof Error ? error.message : code}` };
}

function errorCode(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

function addressOf(error: unknown, url: URL): string {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const address =
    typeof error === "object" && error !== null && "address" in error ? String(error.address) : url.hostname;
  return `${address.includes(":") && !address.startsWith("[") ? `[${address}]` : address}:${port}`;
}
