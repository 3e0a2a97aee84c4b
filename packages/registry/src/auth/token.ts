import { ContainerdError } from "@ctr/api";
import { collectBytes } from "@ctr/oci";
import { redactUrl } from "../http/errors.ts";
import type { HttpRequest, HttpResponse, RequestHeaders } from "../http/message.ts";
import { unexpectedStatus } from "../status.ts";
import type { Credentials } from "./credentials.ts";

/** Where tokens are had, out of a bearer challenge. */
export interface TokenService {
  readonly realm: URL;
  readonly service: string;
}

export interface Token {
  readonly token: string;
  /** Milliseconds since the epoch; `undefined` holds for the life of the process. */
  readonly expiresAt: number | undefined;
}

export interface TokenRequest {
  readonly service: TokenService;
  /** Sorted, without doubles. */
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  readonly headers: RequestHeaders;
  readonly now: number;
}

/** Sends a request as it is; redirects to other origins lose the Authorization field. */
export type Send = (request: HttpRequest) => Promise<HttpResponse>;

/** Largest token answer that is read, in bytes. */
const MAX_TOKEN_BYTES = 1024 * 1024;
/** Statuses by which token services say that they do not know the POST form. */
const postUnknown: ReadonlySet<number> = new Set([400, 401, 404, 405]);

/** Gets a token: by POST where there are credentials, as OAuth has it, else (or when that is not known) by GET. */
export async function fetchToken(request: TokenRequest, send: Send): Promise<Token> {
  const { credentials } = request;
  if (credentials === undefined) return readToken(await send(getRequest(request)), request.now);
  const posted = await send(postRequest(request, credentials));
  if (!postUnknown.has(posted.status)) return readToken(posted, request.now);
  await posted[Symbol.asyncDispose]();
  // A refresh token has no other form.
  if (credentials.kind === "refresh-token") throw await unexpectedStatus(posted, "POST");
  return readToken(await send(getRequest(request)), request.now);
}

/** Docker's own form: scopes one by one, credentials as Basic. Distribution spec, "token authentication". */
function getRequest(request: TokenRequest): HttpRequest {
  const url = new URL(request.service.realm);
  if (request.service.service !== "") url.searchParams.append("service", request.service.service);
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  const basic = request.credentials?.kind === "password" ? { Authorization: basicHeader(request.credentials) } : {};
  return { method: "GET", url, headers: { ...request.headers, ...basic } };
}

/** OAuth 2's form. RFC 6749 sections 4.3.2 and 6. */
function postRequest(request: TokenRequest, credentials: Credentials): HttpRequest {
  const form = new URLSearchParams();
  form.set("client_id", "containerd-client");
  if (credentials.kind === "password") {
    form.set("grant_type", "password");
    form.set("username", credentials.username);
    form.set("password", credentials.password);
  } else {
    form.set("grant_type", "refresh_token");
    form.set("refresh_token", credentials.token);
  }
  if (request.service.service !== "") form.set("service", request.service.service);
  if (request.scopes.length > 0) form.set("scope", request.scopes.join(" "));
  const bytes = new TextEncoder().encode(form.toString());
  const headers = { ...request.headers, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" };
  return { method: "POST", url: request.service.realm, headers, body: bytesBody(bytes), secretBody: true };
}

/** `Basic …` for a user and password. */
export function basicHeader(credentials: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
}

/** A body of bytes that are all there. */
export function bytesBody(bytes: Uint8Array): NonNullable<HttpRequest["body"]> {
  return {
    length: BigInt(bytes.byteLength),
    async *open() {
      yield bytes;
    },
  };
}

async function readToken(response: HttpResponse, now: number): Promise<Token> {
  await using held = response;
  if (held.status < 200 || held.status >= 400) throw await unexpectedStatus(held, "GET");
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(await collectBytes(held.body, MAX_TOKEN_BYTES)));
  } catch {
    // Not kept as cause: the text may hold the token.
    throw noToken(held.url, "unable to decode token response");
  }
  const fields: Readonly<Record<string, unknown>> = typeof answer === "object" && answer !== null ? { ...answer } : {};
  const token = [fields["token"], fields["access_token"]].find((one) => typeof one === "string" && one !== "");
  if (typeof token !== "string")
    throw noToken(held.url, "authorization server did not include a token in the response");
  const seconds = fields["expires_in"];
  const expiresAt = typeof seconds === "number" && seconds > 0 ? now + seconds * 1000 : undefined;
  return { token, expiresAt };
}

function noToken(url: URL, why: string): ContainerdError {
  return new ContainerdError({
    code: "unauthenticated",
    what: "failed to fetch token",
    where: { realm: redactUrl(url) },
    why,
  });
}
