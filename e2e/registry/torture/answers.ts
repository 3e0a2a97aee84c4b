import { always, answer, first, hangUp, isLayer, isTag, raw, redirect, type Scene, type TortureCase } from "./case.ts";

const layer = (scene: Scene) => (request: Parameters<typeof isLayer>[1]) => isLayer(scene, request);
const inASecond = () => new Date(Date.now() + 1000).toUTCString();

/** Statuses, redirects and bytes that are hardly HTTP. */
export const answerCases: readonly TortureCase[] = [
  {
    when: "503 comes in a burst",
    ends: "well",
    spoil: (scene) => first(3, layer(scene), () => ({ status: 503, headers: { "Retry-After": "0" } })),
  },
  {
    when: "500, 502 and 504 come without a Retry-After",
    ends: "well",
    spoil: (scene) => {
      const statuses = [500, 502, 504];
      return first(3, layer(scene), () => ({ status: statuses.shift() ?? 500 }));
    },
  },
  {
    when: "503 comes every time",
    ends: /503 Status/,
    spoil: (scene) => always(layer(scene), () => ({ status: 503, headers: { "Retry-After": "0" } })),
  },
  {
    when: "429 names seconds",
    ends: "well",
    spoil: (scene) => first(1, layer(scene), () => ({ status: 429, headers: { "Retry-After": "1" } })),
  },
  {
    when: "429 names a date",
    ends: "well",
    spoil: (scene) => first(1, layer(scene), () => ({ status: 429, headers: { "Retry-After": inASecond() } })),
  },
  {
    when: "429 names a day",
    ends: /429 Status/,
    spoil: (scene) => always(layer(scene), () => ({ status: 429, headers: { "Retry-After": "86400" } })),
  },
  {
    when: "a redirect leads to another origin",
    ends: "well",
    spoil: (scene) =>
      always(layer(scene), () => redirect(`http://${scene.other.host}/${scene.layer}?X-Amz-Signature=a`)),
    after: (scene) => {
      if (scene.other.requests.length === 0) throw new Error("the other origin was not asked");
    },
  },
  {
    when: "redirects go in a circle",
    ends: /stopped after 10 redirects/,
    spoil: (scene) => always(layer(scene), (request) => redirect(request.target)),
  },
  {
    when: "a redirect has no Location",
    ends: /307 Status/,
    spoil: (scene) => always(layer(scene), () => ({ status: 307 })),
  },
  {
    when: "a redirect leads to a file",
    ends: /cannot follow redirect.*Location cannot be read/,
    spoil: (scene) => always(layer(scene), () => redirect("file:///etc/shadow")),
  },
  {
    when: "HTTPS redirects to HTTP",
    ends: "well",
    over: "tls",
    spoil: (scene) => always(layer(scene), () => redirect(`http://${scene.other.host}/${scene.layer}`)),
  },
  {
    when: "another origin asks for a password",
    ends: /401 Status/,
    spoil: (scene) => {
      scene.atOther.answer = () => ({ status: 401, headers: { "WWW-Authenticate": 'Basic realm="give it to me"' } });
      return always(layer(scene), () => redirect(`http://${scene.other.host}/${scene.layer}`));
    },
  },
  {
    when: "another origin names a token service of its own",
    ends: /401 Status/,
    spoil: (scene) => {
      const realm = `http://${scene.other.host}/token`;
      scene.atOther.answer = () => ({
        status: 401,
        headers: { "WWW-Authenticate": `Bearer realm="${realm}",service="x"` },
      });
      return always(layer(scene), () => redirect(`http://${scene.other.host}/${scene.layer}`));
    },
  },
  {
    when: "1xx answers come first",
    ends: "well",
    spoil: (scene) =>
      always(layer(scene), (request, socket) => {
        socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        return answer(request, socket, scene.registry.reply(request));
      }),
  },
  {
    when: "a header is a megabyte long",
    ends: /Header overflow/,
    spoil: (scene) => always(layer(scene), raw(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(1 << 20)}\r\n\r\n`, hangUp)),
  },
  {
    when: "two Content-Lengths differ",
    ends: /Duplicate Content-Length/,
    spoil: (scene) =>
      always(layer(scene), raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", hangUp)),
  },
  {
    when: "a Content-Length is negative",
    ends: /Invalid character in Content-Length/,
    spoil: (scene) => always(layer(scene), raw("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", hangUp)),
  },
  {
    when: "the server speaks SSH",
    ends: /malformed HTTP response/,
    spoil: () => raw("SSH-2.0-OpenSSH_9.2\r\n", hangUp),
  },
  {
    when: "the server hangs up at once",
    ends: /EOF|connection reset/,
    spoil: () => () => undefined,
    connected: (socket) => {
      socket.end();
      return true;
    },
  },
  { when: "HTTP is spoken on the HTTPS port", ends: "well", flags: [], spoil: () => () => undefined },
  {
    when: "HTTPS is spoken on the HTTP port",
    ends: /connection reset|malformed HTTP response|EOF/,
    over: "tls",
    flags: ["--plain-http"],
    spoil: () => () => undefined,
  },
  {
    when: "the certificate is by nobody known",
    ends: /x509: certificate signed by unknown authority\nhint: .*--tlscacert/,
    over: "tls",
    flags: ["--local", "--tlscacert", "OTHER"],
    spoil: () => () => undefined,
  },
  {
    when: "the error's words hold escape sequences",
    ends: /denied: go {2}\[31maway/,
    spoil: () =>
      always(isTag, () => ({
        status: 403,
        body: JSON.stringify({ errors: [{ code: "DENIED", message: "go \u001b[31maway" }] }),
      })),
  },
];
