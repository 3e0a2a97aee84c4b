import { ContainerdError } from "@ctr/api";
import { Authorizer } from "./auth/authorizer.ts";
import type { CredentialSource } from "./auth/credentials.ts";
import type { Send } from "./auth/token.ts";
import type { RegistryHost } from "./hosts/host.ts";
import { isPlainHttpAnswer } from "./http/errors.ts";
import { type HttpRequest, type HttpResponse, type HttpTransport, originOf, type RequestBody } from "./http/message.ts";
import { type Clock, MAX_ATTEMPTS, retryErrorAfter, retryStatusAfter } from "./retry.ts";

export interface HostClientOptions {
  readonly credentials: CredentialSource;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly transport: (host: RegistryHost) => HttpTransport;
}

/** One request of the distribution API. */
export interface HostRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** `repository:library/alpine:pull` and the like. */
  readonly scopes: readonly string[];
  readonly body?: RequestBody;
  /** Another host may still be asked: do not insist on this one. */
  readonly hasNext?: boolean;
}

/** Redirects followed for one request; as Go's net/http. */
const MAX_REDIRECTS = 10;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Speaks with one registry host: proves who is asking, follows redirects, tries again by `retry.ts`. */
export class HostClient {
  readonly host: RegistryHost;
  readonly #options: HostClientOptions;
  readonly #transport: HttpTransport;
  #authorizer: Authorizer;
  #root: URL;
  #plain = false;

  constructor(host: RegistryHost, options: HostClientOptions) {
    this.host = host;
    this.#options = options;
    this.#transport = options.transport(host);
    this.#root = host.root;
    this.#authorizer = this.#openAuthorizer();
  }

  /** API root: the host's, or its plain HTTP twin once that is known to be all there is. */
  get root(): URL {
    return this.#root;
  }

  /** The answer, whatever its status, after redirects, challenges and retries; the caller disposes it. */
  async send(request: HostRequest, signal: AbortSignal): Promise<HttpResponse> {
    const faults = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(request, { attempt, faults, signal });
      if (outcome.kind === "answer") return outcome.response;
      if (outcome.waitMs > 0) await this.#options.clock.sleep(outcome.waitMs, signal);
    }
  }

  async #attempt(request: HostRequest, at: Attempt): Promise<Outcome> {
    const wasPlain = this.#plain;
    let response: HttpResponse;
    let sent: string | undefined;
    try {
      sent = await this.#authorization(request, at.signal);
      response = await this.#authorizedSend(request, sent, at.signal);
    } catch (error) {
      if (!wasPlain && this.#fallBack(error)) return { kind: "retry", waitMs: 0 };
      const waitMs = request.hasNext === true ? undefined : retryErrorAfter(error, at.attempt);
      if (waitMs === undefined) throw error;
      return { kind: "retry", waitMs };
    }
    const waitMs = await this.#retryAfter(request, response, { ...at, sent });
    if (waitMs === undefined) return { kind: "answer", response };
    await response[Symbol.asyncDispose]();
    return { kind: "retry", waitMs };
  }

  async #retryAfter(
    request: HostRequest,
    response: HttpResponse,
    at: Attempt & { readonly sent: string | undefined },
  ): Promise<number | undefined> {
    if (response.status === 401) {
      const fields = response.headers.all("WWW-Authenticate");
      const again = await this.#authorizer.challenge({ url: response.url, fields, sent: at.sent, faults: at.faults });
      return again && at.attempt < MAX_ATTEMPTS ? 0 : undefined;
    }
    if (request.hasNext === true && response.status >= 500) return undefined;
    const answer = { retryAfter: response.headers.get("Retry-After"), now: this.#options.clock.now() };
    return retryStatusAfter(response.status, at.attempt, answer);
  }

  #authorization(request: HostRequest, signal: AbortSignal): Promise<string | undefined> {
    return this.#authorizer.header(this.#reachable(request.url), request.scopes, this.#sender(signal));
  }

  #authorizedSend(request: HostRequest, authorization: string | undefined, signal: AbortSignal): Promise<HttpResponse> {
    const headers = {
      ...this.host.headers,
      ...request.headers,
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    };
    const { method, body } = request;
    const url = this.#reachable(request.url);
    return this.#sender(signal)({ method, url, headers, ...(body === undefined ? {} : { body }) });
  }

  #reachable(url: URL): URL {
    return this.#plain ? plainTwin(url, this.host.root) : url;
  }

  /** Sends with our User-Agent and follows redirects. */
  #sender(signal: AbortSignal): Send {
    const agent = { "User-Agent": this.#options.userAgent };
    return async (first) => {
      let request: HttpRequest = { ...first, headers: { ...agent, ...first.headers } };
      for (let hops = 0; ; hops++) {
        const response = await this.#transport.send(request, { signal });
        const location = redirects.has(response.status) ? response.headers.get("Location") : "";
        if (location === "") return response;
        await response[Symbol.asyncDispose]();
        if (hops === MAX_REDIRECTS) throw tooManyRedirects(first.url);
        request = redirected(request, response, location);
      }
    };
  }

  /** Once TLS turns out to be missing, the host is asked over plain HTTP from then on. */
  #fallBack(error: unknown): boolean {
    if (!this.host.plainFallback || !(error instanceof ContainerdError)) return false;
    const noPort = this.host.root.port === "";
    const refused = /connection refused|i\/o timeout/.test(error.why);
    if (!isPlainHttpAnswer(error.cause) && !(noPort && refused)) return false;
    // Requests at the same time find out at the same time: the first one switches.
    if (this.#plain) return true;
    this.#plain = true;
    this.#root = plainTwin(this.host.root, this.host.root);
    this.#authorizer = this.#openAuthorizer();
    return true;
  }

  #openAuthorizer(): Authorizer {
    const { credentials, clock } = this.#options;
    return new Authorizer({ root: this.#root, credentials, headers: this.#tokenHeaders(), now: () => clock.now() });
  }

  /** A host's static Authorization is for that host, not for its token service. */
  #tokenHeaders(): RegistryHost["headers"] {
    const entries = Object.entries(this.host.headers).filter(([name]) => name.toLowerCase() !== "authorization");
    return Object.fromEntries(entries);
  }
}

interface Attempt {
  readonly attempt: number;
  /** What this request was refused for so far. */
  readonly faults: Set<string>;
  readonly signal: AbortSignal;
}

type Outcome =
  | { readonly kind: "answer"; readonly response: HttpResponse }
  | { readonly kind: "retry"; readonly waitMs: number };

/** The same URL over plain HTTP, when it is one of the host's own. */
function plainTwin(url: URL, root: URL): URL {
  if (originOf(url) !== originOf(root)) return url;
  const twin = new URL(url);
  twin.protocol = "http:";
  return twin;
}

/** Fields that say nothing about the asker; the rest, a hosts.toml's own included, stay with the origin they were for. */
const openFields: ReadonlySet<string> = new Set(["accept", "accept-encoding", "content-type", "range", "user-agent"]);

/** The next request of a redirect: other origins see no secrets; 303, and 301 and 302 of a POST, turn into GET. */
function redirected(request: HttpRequest, response: HttpResponse, location: string): HttpRequest {
  const url = URL.canParse(location, request.url.href) ? new URL(location, request.url) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new ContainerdError({
      code: "unavailable",
      what: "cannot follow redirect",
      where: { host: request.url.host },
      why: "its Location cannot be read",
    });
  }
  const sameOrigin = originOf(url) === originOf(request.url);
  const headers = sameOrigin
    ? request.headers
    : Object.fromEntries(Object.entries(request.headers).filter(([name]) => openFields.has(name.toLowerCase())));
  const toGet = response.status === 303 || (response.status < 303 && request.method === "POST");
  if (toGet && request.method !== "HEAD") return { method: "GET", url, headers };
  if (!sameOrigin && request.secretBody === true) throw secretElsewhere(request.url, url);
  return { ...request, url, headers };
}

/** A password in a form goes to the token service that the registry named, and not where that service points (R1). */
function secretElsewhere(from: URL, to: URL): ContainerdError {
  const why = `it sends credentials on to ${originOf(to)}`;
  return new ContainerdError({
    code: "unauthenticated",
    what: "cannot follow redirect",
    where: { host: from.host },
    why,
  });
}

function tooManyRedirects(url: URL): ContainerdError {
  const why = `stopped after ${MAX_REDIRECTS} redirects`;
  return new ContainerdError({ code: "unavailable", what: "failed to do request", where: { host: url.host }, why });
}
