import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer as createNetServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectBytes } from "@ctr/oci";
import type { HttpTransport } from "./message.ts";
import { openTransport, type TransportOptions } from "./transport.ts";

const { signal } = new AbortController();
let dir = "";
let pem = { cert: "", key: "" };
const servers: NetServer[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-tls-"));
  const script = `openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=r.example -addext subjectAltName=DNS:r.example,IP:127.0.0.1`;
  Bun.spawnSync(["sh", "-c", script], { cwd: dir, stderr: "ignore" });
  pem = { cert: readFileSync(join(dir, "cert.pem"), "utf8"), key: readFileSync(join(dir, "key.pem"), "utf8") };
});
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function listen(server: NetServer): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A listening TCP server has an address and a port.
  return (server.address() as AddressInfo).port;
}

const hello = () => createTlsServer(pem, (request, response) => response.end(`hello ${request.url}`));

async function get(url: string, options: TransportOptions = {}): Promise<string> {
  const request = { method: "GET", url: new URL(url), headers: {} };
  await using response = await openTransport(options).send(request, { signal });
  return new TextDecoder().decode(await collectBytes(response.body, 1 << 20));
}

test("a server with a CA of its own is believed only with that CA", async () => {
  const url = `https://127.0.0.1:${await listen(hello())}/x`;
  await expect(get(url)).rejects.toThrow("x509: certificate signed by unknown authority");
  expect(await get(url, { tls: { ca: [pem.cert] } })).toBe("hello /x");
  expect(await get(url, { tls: { skipVerify: true } })).toBe("hello /x");
});

test("a certificate for another name is not believed", async () => {
  const url = `https://localhost:${await listen(hello())}/x`;
  await expect(get(url, { tls: { ca: [pem.cert] } })).rejects.toThrow("certificate is not valid for localhost");
});

test("a server without TLS is told from one that is down", async () => {
  const port = await listen(createServer((_request, response) => response.end()));
  await expect(get(`https://127.0.0.1:${port}/`)).rejects.toMatchObject({
    why: "http: server gave HTTP response to HTTPS client",
    fix: "use --plain-http if this registry really has no TLS",
  });
  await expect(get("http://127.0.0.1:1/")).rejects.toThrow(
    `failed to do request: Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused`,
  );
});

/** A forward proxy that resolves every name to loopback and notes what it was asked. */
async function openProxy(): Promise<{ readonly port: number; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"]}`);
    const { port, pathname } = new URL(request.url ?? "");
    httpRequest({ port, path: pathname }, (answer) => answer.pipe(response)).end();
  });
  server.on("connect", (request, client, head) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"]}`);
    const upstream = connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  return { port: await listen(server), asked };
}

test("https goes through a proxy's tunnel, http through the proxy itself, both with its password", async () => {
  const proxy = await openProxy();
  const secure = await listen(hello());
  const plain = await listen(createServer((request, response) => response.end(`plain ${request.url}`)));
  const url = `http://me:pw@127.0.0.1:${proxy.port}`;
  const options = { env: { HTTPS_PROXY: url, HTTP_PROXY: url }, tls: { ca: [pem.cert] } };
  expect(await get(`https://r.example:${secure}/x`, options)).toBe("hello /x");
  expect(await get(`http://r.example:${plain}/y`, options)).toBe("plain /y");
  const basic = `Basic ${Buffer.from("me:pw").toString("base64")}`;
  expect(proxy.asked).toEqual([`CONNECT r.example:${secure} ${basic}`, `GET http://r.example:${plain}/y ${basic}`]);
});

test("a body that stops coming fails after the idle time-out", async () => {
  const port = await listen(
    createServer((_request, response) => {
      response.writeHead(200, { "Content-Length": "10" });
      response.write("hello");
    }),
  );
  const attempt = get(`http://127.0.0.1:${port}/`, { idleTimeoutMs: 50 });
  await expect(attempt).rejects.toMatchObject({ code: "deadline_exceeded" });
});

test("an answer that never comes is given up after the idle time-out", async () => {
  const port = await listen(createServer(() => undefined));
  const attempt = get(`http://127.0.0.1:${port}/`, { env: { CTR_REGISTRY_TIMEOUT: "50ms" } });
  await expect(attempt).rejects.toMatchObject({ code: "deadline_exceeded", why: "it sent nothing for 0.05 s" });
});

test("CTR_REGISTRY_TIMEOUT is a duration", async () => {
  const attempt = get("http://127.0.0.1:1/", { env: { CTR_REGISTRY_TIMEOUT: "soon" } });
  await expect(attempt).rejects.toThrow('cannot use CTR_REGISTRY_TIMEOUT: "soon" is not a duration such as 60s');
});

test("a body that ends early is an error", async () => {
  const port = await listen(
    createServer((_request, response) => {
      response.writeHead(200, { "Content-Length": "10" });
      response.write("hello", () => response.destroy());
    }),
  );
  await expect(get(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: "unavailable" });
});

test("an upload has its length and no encoding", async () => {
  const seen: unknown[] = [];
  const port = await listen(
    createServer(async (request, response) => {
      const bytes = await new Response(request as never).bytes();
      seen.push(request.headers["content-length"], request.headers["transfer-encoding"], bytes.byteLength);
      response.end();
    }),
  );
  const chunk = new Uint8Array(300_000);
  const body = {
    length: 900_000n,
    async *open() {
      for (let i = 0; i < 3; i++) yield chunk;
    },
  };
  const request = { method: "PUT", url: new URL(`http://127.0.0.1:${port}/`), headers: {}, body };
  await using response = await openTransport().send(request, { signal });
  expect(response.status).toBe(200);
  expect(seen).toEqual(["900000", undefined, 900_000]);
});

test("a request ends when its signal does", async () => {
  const controller = new AbortController();
  const port = await listen(createServer(() => controller.abort(new Error("enough"))));
  const request = { method: "GET", url: new URL(`http://127.0.0.1:${port}/`), headers: {} };
  await expect(openTransport().send(request, { signal: controller.signal })).rejects.toThrow("enough");
});

/** Answers `hello` over and over, or only once a connection; counts connections. */
async function countingServer(perConnection: number): Promise<{ readonly url: string; connections(): number }> {
  let connections = 0;
  const server = createNetServer((socket) => {
    connections += 1;
    let answered = 0;
    socket.on("error", () => undefined);
    socket.on("data", (head) => {
      const body = head.toString().startsWith("HEAD") ? "" : "hello";
      if (answered++ === perConnection) socket.destroy();
      else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${body}`);
    });
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}/`, connections: () => connections };
}

async function ask(transport: HttpTransport, method: string, url: string): Promise<string> {
  await using response = await transport.send({ method, url: new URL(url), headers: {} }, { signal });
  return method === "HEAD" ? "" : new TextDecoder().decode(await collectBytes(response.body, 1 << 20));
}

test("requests that may be repeated share a connection, one after the other; others have their own", async () => {
  const { url, connections } = await countingServer(Number.POSITIVE_INFINITY);
  const transport = openTransport();
  for (const method of ["GET", "GET", "HEAD"]) await ask(transport, method, url);
  expect(connections()).toBe(1);
  for (const method of ["POST", "PUT"]) expect(await ask(transport, method, url)).toBe("hello");
  expect(connections()).toBe(3);
});

test("a kept connection that is gone when it is used again is made anew", async () => {
  const { url, connections } = await countingServer(1);
  const transport = openTransport();
  for (let times = 0; times < 3; times++) expect(await ask(transport, "GET", url)).toBe("hello");
  expect(connections()).toBe(3);
});

test("a connection that is new is not made twice", async () => {
  const { url, connections } = await countingServer(0);
  await expect(ask(openTransport(), "GET", url)).rejects.toThrow("connection reset by peer");
  expect(connections()).toBe(1);
});
