import { ContainerdError } from "@ctr/api";
import { originOf, type RequestHeaders } from "../http/message.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { CredentialSource, Credentials } from "./credentials.ts";
import { basicHeader, fetchToken, type Send, type Token, type TokenService } from "./token.ts";

export interface AuthorizerOptions {
  /** The endpoint whose challenges are answered. */
  readonly root: URL;
  readonly credentials: CredentialSource;
  /** Sent to the token service too. */
  readonly headers: RequestHeaders;
  readonly now: () => number;
}

interface BearerRequest {
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  readonly send: Send;
}

/** A 401. */
export interface ChallengeAnswer {
  readonly url: URL;
  /** Its WWW-Authenticate fields. */
  readonly fields: readonly string[];
  /** The Authorization field that was refused. */
  readonly sent: string | undefined;
  /** Faults the server has named for this request; added to. */
  readonly faults: Set<string>;
}

/** What an endpoint asked for, kept for later requests. */
type Handler = { readonly kind: "basic" } | { readonly kind: "bearer"; readonly service: TokenService };

/** A token is not used in its last seconds: the request has to arrive in time. */
const EXPIRY_MARGIN_MS = 2_000;

/**
 * Answers one endpoint's challenges. Credentials leave for that origin and for the token service that the origin
 * itself names, and for nobody else (R1).
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, Promise<Token>>();
  #handler: Handler | undefined;
  #scopes: ReadonlySet<string> = new Set();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The Authorization field for a request to `url`; `undefined` before the first challenge, and for other origins. */
  async header(url: URL, scopes: readonly string[], send: Send): Promise<string | undefined> {
    if (this.#handler === undefined || originOf(url) !== originOf(this.#options.root)) return undefined;
    const credentials = await this.#credentials();
    if (this.#handler.kind === "bearer") return this.#bearer(this.#handler.service, { scopes, credentials, send });
    if (credentials?.kind === "password") return basicHeader(credentials);
    throw noBasic(this.#options.root);
  }

  /** Takes in a 401. True when the request is worth sending again; throws when the server names the same fault twice. */
  async challenge(answer: ChallengeAnswer): Promise<boolean> {
    if (originOf(answer.url) !== originOf(this.#options.root)) return false;
    const best = parseChallenges(answer.fields).find((one) => one.scheme !== "digest");
    if (best === undefined) return false;
    if (best.scheme === "basic") return this.#takeBasic(answer.sent);
    const fault = best.parameters["error"] ?? "";
    if (fault !== "" && answer.faults.has(fault)) throw refused(fault, this.#options.root);
    answer.faults.add(fault);
    await this.#forget(answer.sent);
    this.#scopes = new Set((best.parameters["scope"] ?? "").split(" ").filter((scope) => scope !== ""));
    this.#handler = { kind: "bearer", service: readService(best, this.#options.root) };
    return true;
  }

  /** Drops the token that was refused, and no newer one that another request has fetched since. */
  async #forget(sent: string | undefined): Promise<void> {
    for (const [key, fetching] of this.#tokens) {
      const token = await fetching.catch(() => undefined);
      if (`Bearer ${token?.token}` === sent && this.#tokens.get(key) === fetching) this.#tokens.delete(key);
    }
  }

  async #takeBasic(sent: string | undefined): Promise<boolean> {
    const credentials = await this.#credentials();
    if (credentials?.kind !== "password") throw noBasic(this.#options.root);
    this.#handler = { kind: "basic" };
    // Sent and refused: the password is wrong.
    return sent === undefined;
  }

  #credentials(): Promise<Credentials | undefined> {
    return this.#options.credentials(this.#options.root.host);
  }

  /** One token for each set of scopes; requests at the same time share one fetch, and its failure. */
  async #bearer(service: TokenService, request: BearerRequest): Promise<string> {
    const scopes = [...new Set([...request.scopes, ...this.#scopes])].toSorted();
    const key = scopes.join(" ");
    const known = this.#tokens.get(key);
    const cached = await known;
    if (cached !== undefined && this.#isFresh(cached)) return `Bearer ${cached.token}`;
    // Another request may have begun to fetch a new one while this one looked at the old.
    const current = this.#tokens.get(key);
    const fetching =
      current === known || current === undefined ? this.#fetch(service, { ...request, scopes }) : current;
    return `Bearer ${(await fetching).token}`;
  }

  #fetch(service: TokenService, request: BearerRequest): Promise<Token> {
    const { scopes, credentials, send } = request;
    const { headers, now } = this.#options;
    const key = scopes.join(" ");
    const fetching = fetchToken({ service, scopes, credentials, headers, now: now() }, send).catch((error: unknown) => {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
      throw authorizeFailed(error, credentials);
    });
    this.#tokens.set(key, fetching);
    return fetching;
  }

  #isFresh(token: Token): boolean {
    return token.expiresAt === undefined || token.expiresAt - EXPIRY_MARGIN_MS > this.#options.now();
  }
}

/** A realm on another host is the endpoint's own choice; one without TLS is not, where the endpoint has TLS. */
function readService(challenge: Challenge, root: URL): TokenService {
  const text = challenge.parameters["realm"] ?? "";
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  if (realm === undefined || (realm.protocol !== "https:" && realm.protocol !== "http:")) {
    throw badRealm(
      root,
      text === "" ? "no realm specified for token auth challenge" : "invalid token auth challenge realm",
    );
  }
  if (root.protocol === "https:" && realm.protocol === "http:") {
    throw badRealm(root, "it asks for credentials over plain HTTP");
  }
  return { realm, service: challenge.parameters["service"] ?? "" };
}

function badRealm(root: URL, why: string): ContainerdError {
  return new ContainerdError({ code: "unauthenticated", what: "failed to authorize", where: { host: root.host }, why });
}

function refused(fault: string, root: URL): ContainerdError {
  return new ContainerdError({
    code: "unauthenticated",
    what: `server message: ${fault}: authorization failed`,
    where: { host: root.host },
    fix: "check the repository's name, or log in with --user name:password",
  });
}

function noBasic(root: URL): ContainerdError {
  return new ContainerdError({
    code: "unauthenticated",
    what: "failed to authorize",
    where: { host: root.host },
    why: "no basic auth credentials",
    fix: "log in with --user name:password",
  });
}

function authorizeFailed(cause: unknown, credentials: Credentials | undefined): ContainerdError {
  const kind = credentials === undefined ? "anonymous" : "oauth";
  const message = cause instanceof Error ? cause.message : String(cause);
  const known = cause instanceof ContainerdError ? cause : undefined;
  return new ContainerdError({
    code: known?.code ?? "unauthenticated",
    what: `failed to authorize: failed to fetch ${kind} token`,
    why: message,
    ...(known?.fix === undefined ? {} : { fix: known.fix }),
    cause,
  });
}
