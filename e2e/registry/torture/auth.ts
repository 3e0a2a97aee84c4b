import type { RawRequest, Reply } from "../../support/raw-server.ts";
import { challengeReply, jsonReply, secrets } from "../../support/token-registry.ts";
import { always, first, isLayer, redirect, type TortureCase } from "./case.ts";

const isToken = ({ path }: RawRequest): boolean => path === "/token";
const bearer = (parameters: string): Reply => ({
  status: 401,
  headers: { "WWW-Authenticate": `Bearer ${parameters}` },
  body: "{}",
});
const unauthorized = ({ path, headers }: RawRequest): boolean =>
  path !== "/token" && headers["authorization"] === undefined;

/** Challenges and tokens. */
export const authCases: readonly TortureCase[] = [
  {
    when: "a token expires in mid-pull",
    ends: "well",
    spoil: (scene) =>
      first(
        1,
        (request) => isLayer(scene, request),
        (request) => challengeReply(request, ',error="invalid_token"'),
      ),
  },
  {
    when: "every answer is 401",
    ends: /pull access denied/,
    spoil: () =>
      always(
        (request) => !isToken(request),
        (request) => challengeReply(request),
      ),
    after: (_scene, server) => {
      if (server.requests.length > 40) throw new Error(`${server.requests.length} requests`);
    },
  },
  {
    when: "every answer is 401 with the same fault",
    ends: /server message: insufficient_scope: authorization failed/,
    spoil: () =>
      always(
        (request) => !isToken(request),
        (request) => challengeReply(request, ',error="insufficient_scope"'),
      ),
  },
  {
    when: "the token service is another host",
    ends: "well",
    spoil: (scene) => {
      // The registry's own choice: it gets the password that the token costs, and nothing more.
      scene.atOther.answer = () => jsonReply({ token: secrets.token });
      return always(unauthorized, () => bearer(`realm="http://${scene.other.host}/open/token",service="torture"`));
    },
  },
  {
    when: "a token service without TLS is named over HTTPS",
    ends: /it asks for credentials over plain HTTP/,
    over: "tls",
    spoil: (scene) => always(unauthorized, () => bearer(`realm="http://${scene.other.host}/token",service="x"`)),
  },
  {
    when: "the token service redirects a password to another origin",
    ends: /cannot follow redirect.*it sends credentials on to/,
    spoil: (scene) => always(isToken, () => redirect(`http://${scene.other.host}/token`)),
  },
  {
    when: "a token's JSON ends early",
    ends: /unable to decode token response/,
    spoil: () => always(isToken, () => ({ status: 200, body: '{"token": "tok-' })),
  },
  {
    when: "a token answer holds no token",
    ends: /did not include a token/,
    spoil: () => always(isToken, () => jsonReply({ token: "" })),
  },
  {
    when: "a token answer is endless",
    ends: /unable to decode token response/,
    spoil: () => always(isToken, () => ({ status: 200, body: " ".repeat(1_200_000) })),
  },
  {
    when: "a token holds a line break",
    ends: /Invalid character in header content/,
    spoil: () => always(isToken, () => jsonReply({ token: "a\r\nX-Evil: 1" })),
  },
  {
    when: "a token lasts a second",
    ends: "well",
    spoil: () => always(isToken, () => jsonReply({ token: secrets.token, access_token: secrets.token, expires_in: 1 })),
  },
  {
    when: "a token's expiry is no number",
    ends: "well",
    spoil: () => always(isToken, () => jsonReply({ token: secrets.token, expires_in: "soon" })),
  },
  {
    when: "the token service is down",
    ends: /failed to fetch oauth token.*503 Status/,
    spoil: () => always(isToken, () => ({ status: 503, headers: { "Retry-After": "0" } })),
  },
  {
    when: "a challenge names no realm",
    ends: /no realm specified/,
    spoil: () => always(unauthorized, () => bearer('service="x"')),
  },
  {
    when: "a challenge is of no known scheme",
    ends: /401 Status/,
    spoil: () => always(unauthorized, () => ({ status: 401, headers: { "WWW-Authenticate": "Negotiate abc" } })),
  },
];
