import { expect, test } from "bun:test";
import { type HttpRequest, type HttpResponse, ResponseHeaders } from "../http/message.ts";
import { Authorizer } from "./authorizer.ts";
import { type Credentials, fixedCredentials } from "./credentials.ts";

const root = new URL("https://r.example/v2");
const user: Credentials = { kind: "password", username: "me", password: "secret" };
const scopes = ["repository:a:pull"];

/** A token service that gives out numbered tokens, refuses POST with `postStatus`, and remembers what it was asked. */
function openTokens(postStatus = 200, expiresIn?: number) {
  const asked: HttpRequest[] = [];
  const send = async (request: HttpRequest): Promise<HttpResponse> => {
    asked.push(request);
    const bytes = new TextEncoder().encode(JSON.stringify({ token: `t${asked.length}`, expires_in: expiresIn }));
    return {
      status: request.method === "POST" ? postStatus : 200,
      reason: "",
      headers: new ResponseHeaders([]),
      url: request.url,
      body: (async function* () {
        yield bytes;
      })(),
      [Symbol.asyncDispose]: async () => undefined,
    };
  };
  return { asked, send };
}

async function open(
  options: { readonly realm?: string; readonly credentials?: Credentials; readonly now?: () => number } = {},
) {
  const { realm = "https://auth.example/token", credentials, now = () => 0 } = options;
  const source = credentials === undefined ? async () => undefined : fixedCredentials(credentials);
  const authorizer = new Authorizer({ root, credentials: source, headers: {}, now });
  const fields = [`Bearer realm="${realm}",service="s",scope="repository:a:pull"`];
  await authorizer.challenge({ url: root, fields, sent: undefined, faults: new Set() });
  return authorizer;
}

test("requests at the same time share one token", async () => {
  const authorizer = await open();
  const { asked, send } = openTokens();
  const headers = await Promise.all([1, 2, 3].map(() => authorizer.header(root, scopes, send)));
  expect(headers).toEqual(["Bearer t1", "Bearer t1", "Bearer t1"]);
  expect(asked).toHaveLength(1);
});

test("a token is not used past its time", async () => {
  let now = 0;
  const authorizer = await open({ now: () => now });
  const { send } = openTokens(200, 60);
  expect(await authorizer.header(root, scopes, send)).toBe("Bearer t1");
  now = 57_000;
  expect(await authorizer.header(root, scopes, send)).toBe("Bearer t1");
  now = 59_000;
  expect(await authorizer.header(root, scopes, send)).toBe("Bearer t2");
});

test.each([400, 401, 404, 405])("a token service that answers POST with %p is asked by GET", async (status) => {
  const authorizer = await open({ credentials: user });
  const { asked, send } = openTokens(status);
  await authorizer.header(root, scopes, send);
  expect(asked.map((request) => request.method)).toEqual(["POST", "GET"]);
  expect(asked[1]?.headers["Authorization"]).toStartWith("Basic ");
  expect(asked[1]?.url.search).toBe("?service=s&scope=repository%3Aa%3Apull");
});

test("a refresh token is sent as one", async () => {
  const authorizer = await open({ credentials: { kind: "refresh-token", token: "r" } });
  const { asked, send } = openTokens();
  await authorizer.header(root, scopes, send);
  const chunks: Uint8Array[] = [];
  for await (const chunk of asked[0]?.body?.open() ?? []) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toContain("grant_type=refresh_token&refresh_token=r");
});

test("R1: another origin gets nothing and cannot ask for anything", async () => {
  const authorizer = await open({ credentials: user });
  const { asked, send } = openTokens();
  for (const url of ["https://evil.example/v2", "http://r.example/v2", "https://r.example:8443/v2"]) {
    expect(await authorizer.header(new URL(url), scopes, send)).toBeUndefined();
    const answer = { url: new URL(url), fields: ["Basic realm=x"], sent: undefined, faults: new Set<string>() };
    expect(await authorizer.challenge(answer)).toBe(false);
  }
  expect(asked).toEqual([]);
});

test.each([
  ["http://auth.example/token", "it asks for credentials over plain HTTP"],
  ["file:///etc/passwd", "invalid token auth challenge realm"],
  ["", "no realm specified for token auth challenge"],
])("a realm of %p is refused: %s", async (realm, message) => {
  await expect(open({ realm, credentials: user })).rejects.toThrow(message);
});

test("the same fault twice is an answer, and a token fetched since is kept", async () => {
  const authorizer = await open({ credentials: user });
  const { asked, send } = openTokens();
  const old = await authorizer.header(root, scopes, send);
  const fields = [`Bearer realm="https://auth.example/token",error="insufficient_scope"`];
  const faults = new Set<string>();
  await authorizer.challenge({ url: root, fields, sent: old, faults });
  const fresh = await authorizer.header(root, scopes, send);
  await authorizer.challenge({ url: root, fields, sent: old, faults: new Set() });
  expect(await authorizer.header(root, scopes, send)).toBe(fresh);
  expect(asked).toHaveLength(2);
  const again = authorizer.challenge({ url: root, fields, sent: fresh, faults });
  await expect(again).rejects.toThrow("server message: insufficient_scope: authorization failed");
});

test("a failed token request names no secret", async () => {
  const authorizer = await open({ credentials: user });
  const { send } = openTokens(403);
  const error = await authorizer.header(root, scopes, send).catch((caught: unknown) => caught);
  expect(String(error)).toContain("failed to fetch oauth token");
  expect(String(error)).not.toContain("secret");
});
