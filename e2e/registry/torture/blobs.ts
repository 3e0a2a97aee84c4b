import { headOf } from "../../support/raw-server.ts";
import {
  always,
  changed,
  cut,
  first,
  hangUp,
  isLayer,
  raw,
  reset,
  type Scene,
  silent,
  type TortureCase,
  withFields,
} from "./case.ts";

const layer = (scene: Scene) => (request: Parameters<typeof isLayer>[1]) => isLayer(scene, request);
const resumed = (scene: Scene) => (request: Parameters<typeof isLayer>[1]) =>
  isLayer(scene, request) && request.headers["range"] !== undefined;

/** A first read that ends at 64 KiB, then `spoil` once for the read that goes on. */
function onResume(scene: Scene, spoil: ReturnType<typeof cut>) {
  const broken = first(1, layer(scene), cut(scene, 65536, hangUp));
  const again = first(1, resumed(scene), spoil);
  return (...at: Parameters<typeof broken>) => broken(...at) ?? again(...at);
}

/** Bytes of blobs that are too many, too few, late, others, or from elsewhere. */
export const blobCases: readonly TortureCase[] = [
  {
    when: "a blob has more bytes than its descriptor says",
    ends: /sends more than the \d+ bytes expected/,
    spoil: (scene) =>
      always(
        layer(scene),
        changed(scene, (reply) => ({
          ...reply,
          body: Buffer.concat([Buffer.from(reply.body ?? ""), Buffer.alloc(10)]),
        })),
      ),
  },
  {
    when: "a blob has fewer bytes than its descriptor says",
    ends: /the connection ended after \d+ of \d+ bytes|expected \d+/,
    spoil: (scene) =>
      always(
        layer(scene),
        changed(scene, (reply) => ({ status: 200, body: Buffer.from(reply.body ?? "").subarray(0, 1000) })),
      ),
  },
  {
    when: "a blob has other bytes of the same number",
    ends: /unexpected commit digest sha256:/,
    spoil: (scene) =>
      always(
        layer(scene),
        changed(scene, (reply) => ({ ...reply, body: Buffer.from(reply.body ?? "").fill(7, 0, 16) })),
      ),
  },
  { when: "a body ends early once", ends: "well", spoil: (scene) => first(1, layer(scene), cut(scene, 65536, hangUp)) },
  {
    when: "a body is reset in the middle once",
    ends: "well",
    spoil: (scene) => first(1, layer(scene), cut(scene, 65536, reset)),
  },
  {
    when: "a body is reset every 100 KiB",
    ends: "well",
    spoil: (scene) => always(layer(scene), cut(scene, 102400, reset)),
  },
  {
    when: "a connection is reset after the head",
    ends: "well",
    spoil: (scene) => first(1, layer(scene), cut(scene, 0, reset)),
  },
  {
    when: "a connection is reset before the head",
    ends: "well",
    spoil: (scene) =>
      first(1, layer(scene), (_, socket) => {
        reset(socket);
        return true;
      }),
  },
  {
    when: "a connection is closed without a word, every time",
    ends: /connection reset|EOF|closed/,
    spoil: (scene) =>
      always(layer(scene), (_, socket) => {
        hangUp(socket);
        return true;
      }),
  },
  {
    when: "a body stalls with its connection open",
    ends: "well",
    spoil: (scene) =>
      first(
        1,
        layer(scene),
        cut(scene, 65536, () => undefined),
      ),
  },
  { when: "an answer never comes", ends: "well", spoil: (scene) => first(1, layer(scene), silent) },
  {
    when: "no answer ever comes",
    ends: /it sent nothing for 0.4 s/,
    spoil: (scene) => always(layer(scene), silent),
  },
  {
    when: "a body drips",
    ends: "well",
    spoil: (scene) =>
      first(1, layer(scene), (request, socket) => {
        const body = Buffer.from(scene.registry.reply(request).body ?? "");
        socket.write(headOf({ status: 200, headers: { "Content-Length": String(body.byteLength) } }));
        let at = 0;
        const drip = setInterval(() => {
          socket.write(body.subarray(at, at + 16384));
          at += 16384;
          if (at < body.byteLength && !socket.destroyed) return;
          clearInterval(drip);
          socket.end();
        }, 20);
        return true;
      }),
  },
  {
    when: "a 206 starts at another byte",
    ends: "well",
    spoil: (scene) => onResume(scene, withFields(scene, { "Content-Range": "bytes 10-20/30" })),
  },
  {
    when: "a Content-Range is upside down",
    ends: "well",
    spoil: (scene) => onResume(scene, withFields(scene, { "Content-Range": "bytes 65536-100/10" })),
  },
  {
    when: "a 206 has no Content-Range",
    ends: "well",
    spoil: (scene) => onResume(scene, withFields(scene, { "Content-Range": undefined })),
  },
  {
    when: "a 206 answers what asked for no range",
    ends: /unhandled content range in response/,
    spoil: (scene) =>
      first(
        1,
        layer(scene),
        changed(scene, (reply) => ({
          status: 206,
          headers: { "Content-Range": "bytes 100-200/300" },
          body: reply.body ?? "",
        })),
      ),
  },
  {
    when: "Range is not known",
    ends: "well",
    spoil: (scene) =>
      onResume(scene, (request) =>
        scene.registry.reply({ ...request, headers: { authorization: request.headers["authorization"] ?? "" } }),
      ),
  },
  {
    when: "a range cannot be satisfied",
    ends: "well",
    spoil: (scene) => onResume(scene, () => ({ status: 416, body: "{}" })),
  },
  {
    when: "a body claims to be gzip-encoded and is not",
    ends: "well",
    spoil: (scene) => always(layer(scene), withFields(scene, { "Content-Encoding": "gzip" })),
  },
  {
    when: "a body is gzip-encoded though identity was asked for",
    ends: /Content-Encoding gzip/,
    spoil: (scene) =>
      always(
        layer(scene),
        changed(scene, (reply) => ({
          ...reply,
          headers: { "Content-Encoding": "gzip" },
          body: Bun.gzipSync(new Uint8Array(Buffer.from(reply.body ?? ""))),
        })),
      ),
  },
  {
    when: "a chunked body has no end",
    ends: /sends more than the \d+ bytes expected/,
    spoil: (scene) =>
      always(layer(scene), (_, socket) => {
        socket.write(headOf({ status: 200, headers: { "Transfer-Encoding": "chunked" } }));
        const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65536), Buffer.from("\r\n")]);
        const more = () => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on("drain", more);
        more();
        return true;
      }),
  },
  {
    when: "a chunked body lacks its last chunk",
    ends: "well",
    spoil: (scene) =>
      first(1, layer(scene), raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\x1f\r\n", hangUp)),
  },
  {
    when: "a chunk size is no number",
    ends: "well",
    spoil: (scene) =>
      first(1, layer(scene), raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", hangUp)),
  },
  {
    when: "a blob is answered with 200 and nothing",
    ends: /the connection ended after 0 of \d+ bytes|expected \d+/,
    spoil: (scene) => always(layer(scene), () => ({ status: 200 })),
  },
  {
    when: "a blob is not there",
    ends: /could not fetch content descriptor .* not found/,
    spoil: (scene) => always(layer(scene), () => ({ status: 404 })),
  },
];
