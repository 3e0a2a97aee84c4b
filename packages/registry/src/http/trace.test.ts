import { expect, test } from "bun:test";
import { collectBytes } from "@ctr/oci";
import { type HttpRequest, type HttpResponse, ResponseHeaders } from "./message.ts";
import { type HttpTrace, traceTransport } from "./trace.ts";

const { signal } = new AbortController();
const encode = (text: string) => new TextEncoder().encode(text);

async function* once(text: string) {
  yield encode(text);
}

/** Sends `request` through a trace to a server that answers with `body`; the lines told, and the bytes received. */
async function tell(request: HttpRequest, body: string, type = "application/json") {
  const lines: string[] = [];
  const note = (more: readonly string[]) => void lines.push(...more);
  const trace: HttpTrace = { onRequest: note, onResponse: note, onBody: note };
  const answer: HttpResponse = {
    status: 200,
    reason: "OK",
    headers: new ResponseHeaders(["Content-Type", type, "Set-Cookie", "id=hidden"]),
    url: request.url,
    body: once(body),
    async [Symbol.asyncDispose]() {},
  };
  const transport = {
    async send(sent: HttpRequest) {
      if (sent.body) await collectBytes(sent.body.open(), 1 << 20);
      return answer;
    },
  };
  const response = await traceTransport(transport, trace).send(request, { signal });
  const received = new TextDecoder().decode(await collectBytes(response.body, 1 << 20));
  return { lines, received };
}

const url = new URL("https://user:hidden@r.example/v2/x?ns=docker.io&sig=hidden");
const get: HttpRequest = { method: "GET", url, headers: { Authorization: "Bearer hidden" } };

test("traceTransport() tells start lines, fields and text, and hands the bytes on", async () => {
  const { lines, received } = await tell(get, '{"errors":\n[]}');
  expect(received).toBe('{"errors":\n[]}');
  expect(lines).toEqual([
    "GET /v2/x?ns=docker.io&sig=redacted HTTP/1.1",
    "Host: r.example",
    "Authorization: Bearer <redacted>",
    "HTTP/1.1 200 OK",
    "Content-Type: application/json",
    "Set-Cookie: <redacted>",
    '{"errors":',
    "[]}",
  ]);
});

test("R1: traceTransport() shows no field that a hosts.toml may have filled with a key, and no state of an upload", async () => {
  const headers = { Range: "bytes=1-", "X-Registry-Key": "hidden", Cookie: "hidden", Authorization: "hidden" };
  const { lines } = await tell({ ...get, headers }, "{}");
  expect(lines).toContain("Range: bytes=1-");
  expect(lines).toContain("X-Registry-Key: <redacted>");
  expect(lines.join("\n")).not.toContain("hidden");
});

test.each([
  ["a token answer", '{"token":"hidden","access_token": "hid\\"den","expires_in":60}', "application/json"],
  ["a form", "grant_type=password&username=me&password=hidden&x=1", "application/x-www-form-urlencoded"],
  ["an answer that is no text", '{"token": ["hidden", "hidden"]}', "application/json"],
  ["an answer cut short", '{"refresh_token":"hidden', "application/json"],
])("traceTransport() masks the secrets of %s", async (_what, text, type) => {
  const answered = await tell({ method: "GET", url: new URL("http://r.example/"), headers: {} }, text, type);
  const body = { length: BigInt(text.length), open: () => once(text) };
  const sent = await tell(
    { method: "POST", url: new URL("http://r.example/"), headers: { "content-type": type }, body },
    "",
  );
  for (const { lines } of [answered, sent]) {
    expect(lines.join("\n")).toContain("<redacted>");
    expect(lines.join("\n")).not.toMatch(/hid\\?"?den/);
  }
});

test("traceTransport() tells no bytes of layers, and no more text than is of use", async () => {
  const layer = await tell(get, "layer", "application/octet-stream");
  expect(layer.lines).not.toContain("layer");
  const long = await tell(get, "x".repeat(70_000), "text/plain");
  expect(long.lines.at(-1)).toBe(`(${70_000 - 64 * 1024} bytes more)`);
  expect(long.received).toHaveLength(70_000);
});

test("traceTransport() lets no escape sequence of a registry reach the terminal", async () => {
  const { lines } = await tell(get, "\u001b[2Jwiped", "text/plain");
  expect(lines.at(-1)).toBe(" [2Jwiped");
});
