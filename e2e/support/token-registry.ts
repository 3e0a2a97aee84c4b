import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RawRequest, Reply } from "./raw-server.ts";

/** What an image is made of, kept in memory. */
export interface MemoryImage {
  /** The manifest's or index's digest. */
  readonly root: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** The one image of an OCI layout directory. */
export async function memoryImage(layout: string): Promise<MemoryImage> {
  const dir = join(layout, "blobs/sha256");
  const names = await readdir(dir);
  const blobs = await Promise.all(names.map(async (hex) => [`sha256:${hex}`, await readFile(join(dir, hex))] as const));
  const { manifests } = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  return { root: manifests[0].digest, blobs: new Map(blobs) };
}

/** Who may ask, and what proves it; none of it may show up at another origin. */
export const secrets = { user: "torture", password: "pw-4c1d7e", token: "tok-9b52aa" } as const;

/** Every form in which a secret could be on the wire. */
export const secretForms: readonly string[] = [
  secrets.password,
  secrets.token,
  Buffer.from(`${secrets.user}:${secrets.password}`).toString("base64"),
];

/** A registry without faults, behind tokens of its own: what a torture case spoils. */
export class TokenRegistry {
  readonly image: MemoryImage;
  readonly name: string;
  readonly tag: string;
  /** Blobs and manifests that were pushed. */
  readonly pushed = new Map<string, Buffer>();

  constructor(image: MemoryImage, name: string, tag: string) {
    this.image = image;
    this.name = name;
    this.tag = tag;
  }

  reply(request: RawRequest): Reply {
    if (request.path === "/token") return jsonReply({ token: secrets.token, access_token: secrets.token });
    if (request.headers["authorization"] !== `Bearer ${secrets.token}`) return challengeReply(request);
    return this.#authorized(request);
  }

  #authorized(request: RawRequest): Reply {
    const [, kind = "", object = ""] = /^\/v2\/.+\/(manifests|blobs)\/(.+)$/.exec(request.path) ?? [];
    if (request.method === "POST") return { status: 202, headers: { Location: `${request.path}session` } };
    if (request.method === "PUT") return this.#stored(request, object);
    const digest =
      kind === "manifests" && object === this.tag && request.path.includes(`/${this.name}/`) ? this.image.root : object;
    const bytes =
      (request.path.includes(`/${this.name}/`) ? this.image.blobs.get(digest) : undefined) ?? this.pushed.get(digest);
    if (bytes === undefined) return { status: 404, body: "{}" };
    return rangedReply(request, bytes, { "Content-Type": typeOf(kind, bytes), "Docker-Content-Digest": digest });
  }

  #stored(request: RawRequest, object: string): Reply {
    const digest = `sha256:${createHash("sha256").update(request.body).digest("hex")}`;
    this.pushed.set(digest, request.body);
    if (!object.includes("session")) this.pushed.set(object, request.body);
    return { status: 201, headers: { "Docker-Content-Digest": digest } };
  }
}

export function jsonReply(value: unknown): Reply {
  return { status: 200, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

/** A 401 that asks for a token of the registry's own. */
export function challengeReply(request: RawRequest, more = ""): Reply {
  const scheme = request.headers["x-scheme"] ?? "http";
  const realm = `${scheme}://${request.headers["host"]}/token`;
  return {
    status: 401,
    headers: { "WWW-Authenticate": `Bearer realm="${realm}",service="torture"${more}` },
    body: "{}",
  };
}

/** The bytes asked for by Range, or all. */
export function rangedReply(request: RawRequest, bytes: Buffer, headers: Readonly<Record<string, string>>): Reply {
  const start = rangeStart(request);
  if (start === 0) return { status: 200, headers, body: bytes };
  const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  return { status: 206, headers: { ...headers, "Content-Range": contentRange }, body: bytes.subarray(start) };
}

/** First byte asked for. */
export function rangeStart(request: RawRequest): number {
  return Number(/^bytes=(\d+)-/.exec(request.headers["range"] ?? "")?.[1] ?? 0);
}

function typeOf(kind: string, bytes: Buffer): string {
  if (kind !== "manifests") return "application/octet-stream";
  const { mediaType }: { readonly mediaType?: string } = JSON.parse(bytes.toString());
  return mediaType ?? "application/vnd.oci.image.manifest.v1+json";
}
