import type { Socket } from "node:net";
import { headOf, type RawRequest, type RawServer, type Reply, sendReply } from "../../support/raw-server.ts";
import type { TokenRegistry } from "../../support/token-registry.ts";

/** What a case has to misbehave with. */
export interface Scene {
  readonly registry: TokenRegistry;
  /** Digest of the large layer, a few hundred KiB. */
  readonly layer: string;
  /** Another origin, which none of the registry's secrets may reach. It serves blobs by `/<digest>`. */
  readonly other: RawServer;
  /** Answers at that origin in its place. */
  readonly atOther: { answer?: Spoil };
}

/** Answers in the registry's place when it returns true; a reply is sent as it is. */
export type Spoil = (request: RawRequest, socket: Socket) => Reply | boolean | undefined;

/** One way in which a registry misbehaves, and how it must end. */
export interface TortureCase {
  /** What the registry does. */
  readonly when: string;
  /** Success, or what the one line of the error says. */
  readonly ends: "well" | RegExp;
  /** Default pull. */
  readonly command?: "push";
  /** Default plain HTTP. */
  readonly over?: "tls";
  readonly flags?: readonly string[];
  /** Called once for each run. */
  spoil(scene: Scene): Spoil;
  /** Called with each connection before anything is read; true when it is to be left alone. */
  readonly connected?: (socket: Socket) => boolean;
  /** Leaves the bodies of uploads unread. */
  readonly headOnly?: (request: RawRequest) => boolean;
  /** What else has to hold. */
  after?(scene: Scene, server: RawServer): void;
}

export const isManifest = ({ path }: RawRequest): boolean => path.includes("/manifests/");
/** A manifest asked for by its tag. */
export const isTag = (request: RawRequest): boolean => isManifest(request) && !request.path.includes("sha256:");
export const isUpload = ({ method, path }: RawRequest): boolean => method === "PUT" && path.includes("/blobs/");

/** True for an authorized GET of the large layer: what most faults are about. */
export const isLayer = (scene: Scene, { method, path, headers }: RawRequest): boolean =>
  method === "GET" && path.endsWith(`/blobs/${scene.layer}`) && headers["authorization"] !== undefined;

/** Spoils the first `times` requests that match, and none after. */
export function first(times: number, matches: (request: RawRequest) => boolean, spoil: Spoil): Spoil {
  let left = times;
  return (request, socket) => {
    if (left === 0 || !matches(request)) return undefined;
    left--;
    return spoil(request, socket);
  };
}

/** Spoils every request that matches. */
export function always(matches: (request: RawRequest) => boolean, spoil: Spoil): Spoil {
  return (request, socket) => (matches(request) ? spoil(request, socket) : undefined);
}

/** The registry's own answer, changed. */
export function changed(scene: Scene, change: (reply: Reply) => Reply): Spoil {
  return (request) => {
    const reply = scene.registry.reply(request);
    return reply.status === 401 ? reply : change(reply);
  };
}

/** The registry's own answer with other header fields; `undefined` takes one out. */
export function withFields(scene: Scene, fields: Readonly<Record<string, string | undefined>>): Spoil {
  return changed(scene, (reply) => {
    const entries = Object.entries({ ...reply.headers, ...fields });
    const headers = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { ...reply, headers: Object.fromEntries(headers) };
  });
}

/** Sends what the registry would, up to `bytes` of the body, and calls `then`. */
export function cut(scene: Scene, bytes: number, then: (socket: Socket) => void): Spoil {
  return (request, socket) => {
    const reply = scene.registry.reply(request);
    const body = Buffer.from(reply.body ?? "");
    const headers = { ...reply.headers, "Content-Length": String(body.byteLength) };
    socket.write(Buffer.concat([Buffer.from(headOf({ ...reply, headers })), body.subarray(0, bytes)]), () =>
      then(socket),
    );
    return true;
  };
}

/** Writes bytes as they are. */
export function raw(text: string, then: (socket: Socket) => void = () => undefined): Spoil {
  return (_request, socket) => {
    socket.write(text, "latin1", () => then(socket));
    return true;
  };
}

export const hangUp = (socket: Socket): void => void socket.end();
export const reset = (socket: Socket): void => void socket.resetAndDestroy();
export const silent: Spoil = () => true;

/** Answers and goes on: for spoils that do more than one thing. */
export function answer(request: RawRequest, socket: Socket, reply: Reply): true {
  sendReply(request, socket, reply);
  return true;
}

export function redirect(location: string, status = 307): Reply {
  return { status, headers: { Location: location } };
}
