import { createHash } from "node:crypto";
import type { RawRequest, Reply } from "../../support/raw-server.ts";
import {
  always,
  answer,
  changed,
  isManifest,
  isTag,
  type Scene,
  type Spoil,
  type TortureCase,
  withFields,
} from "./case.ts";

const oci = (name: string) => `application/vnd.oci.image.${name}.v1+json`;
const digestOf = (bytes: string | Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const isHead = ({ method }: RawRequest) => method === "HEAD";
const authorized = ({ headers }: RawRequest) => headers["authorization"] !== undefined;

/** The documents of a chain, the last by the image's tag, each by its digest too. */
function documents(scene: Scene, tagged: readonly string[], mediaType: string): Spoil {
  const all = new Map(tagged.map((text) => [digestOf(text), text]));
  const top = digestOf(tagged.at(-1) ?? "");
  return always(
    (request) => isManifest(request) && authorized(request),
    (request): Reply => {
      const digest = isTag(request) ? top : (request.path.split("/manifests/")[1] ?? "");
      const body = all.get(digest);
      if (body === undefined) return scene.registry.reply(request);
      return { status: 200, headers: { "Content-Type": mediaType, "Docker-Content-Digest": digest }, body };
    },
  );
}

const manifestOf = (scene: Scene) =>
  JSON.parse(scene.registry.image.blobs.get(scene.registry.image.root)?.toString() ?? "{}");
const one = (scene: Scene, change: (manifest: Record<string, unknown>) => unknown, type = oci("manifest")) =>
  documents(scene, [JSON.stringify(change(manifestOf(scene)))], type);

/** The image below `depth` indexes. */
function nested(scene: Scene, depth: number): Spoil {
  const { root, blobs } = scene.registry.image;
  let child = { mediaType: oci("manifest"), digest: root, size: blobs.get(root)?.byteLength ?? 0 };
  const texts: string[] = [];
  for (let level = 0; level < depth; level++) {
    const text = JSON.stringify({ schemaVersion: 2, mediaType: oci("index"), manifests: [child] });
    texts.push(text);
    child = { mediaType: oci("index"), digest: digestOf(text), size: Buffer.byteLength(text) };
  }
  return documents(scene, texts, oci("index"));
}

/** Manifests and indexes: what is said of them, and what they say. */
export const manifestCases: readonly TortureCase[] = [
  {
    when: "HEAD is not allowed",
    ends: "well",
    spoil: () =>
      always(
        (r) => isHead(r) && authorized(r),
        () => ({ status: 405 }),
      ),
  },
  {
    when: "Docker-Content-Digest is missing",
    ends: "well",
    spoil: (scene) => always(isManifest, withFields(scene, { "Docker-Content-Digest": undefined })),
  },
  {
    when: "Docker-Content-Digest is another's",
    ends: /not found|unexpected commit digest/,
    spoil: (scene) => always(isManifest, withFields(scene, { "Docker-Content-Digest": `sha256:${"0".repeat(64)}` })),
  },
  {
    when: "Docker-Content-Digest is no digest",
    ends: /digest/,
    spoil: (scene) => always(isManifest, withFields(scene, { "Docker-Content-Digest": "sha256:../../etc" })),
  },
  {
    when: "HEAD names a wrong length",
    ends: /expected 10|more than the 10 bytes/,
    spoil: (scene) =>
      always(isTag, (request, socket) => {
        const reply = scene.registry.reply(request);
        return answer(
          request,
          socket,
          reply.status === 200 ? { ...reply, headers: { ...reply.headers, "Content-Length": "10" } } : reply,
        );
      }),
  },
  {
    when: "a tag answers with a web page",
    ends: /text\/html/,
    spoil: () =>
      always(
        (r) => isManifest(r) && authorized(r),
        () => ({
          status: 200,
          headers: { "Content-Type": "text/html" },
          body: "<html>log in to the hotel's network</html>",
        }),
      ),
  },
  {
    when: "an index is said to be a manifest",
    ends: /media ?type|index/i,
    spoil: (scene) => {
      const text = JSON.stringify({ schemaVersion: 2, mediaType: oci("index"), manifests: [] });
      return documents(scene, [text], oci("manifest"));
    },
  },
  {
    when: "a document is both manifest and index",
    ends: /expected manifest but found index/,
    spoil: (scene) => one(scene, (manifest) => ({ ...manifest, manifests: manifest["layers"] })),
  },
  {
    when: "a manifest is malformed JSON",
    ends: /JSON|parse|unmarshal/i,
    spoil: (scene) => documents(scene, ['{"schemaVersion": 2, "layers": [{'], oci("manifest")),
  },
  {
    when: "a manifest is a JSON list",
    ends: /it is no JSON object/,
    spoil: (scene) => documents(scene, ["[1,2]"], oci("manifest")),
  },
  {
    when: "a manifest is 5 MB",
    ends: /rejecting \d+ byte manifest/,
    spoil: (scene) => documents(scene, [JSON.stringify({ pad: "x".repeat(5_000_000) })], oci("manifest")),
  },
  {
    when: "a manifest is 5 MB and its length is not said",
    ends: /more than \d+ bytes/,
    spoil: () =>
      always(
        (r) => isManifest(r) && authorized(r),
        (request, socket) => {
          socket.write(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nConnection: close\r\n\r\n",
          );
          if (!isHead(request)) socket.write(Buffer.alloc(5_000_000, 32));
          socket.end();
          return true;
        },
      ),
  },
  {
    when: "a manifest is answered with 200 and nothing",
    ends: /size of zero|expected|more than/,
    spoil: () =>
      always(
        (r) => isManifest(r) && authorized(r),
        () => ({ status: 200, headers: { "Content-Type": oci("manifest") } }),
      ),
  },
  { when: "the image is below 20 indexes", ends: "well", spoil: (scene) => nested(scene, 20) },
  { when: "the image is below 400 indexes", ends: /nested/, spoil: (scene) => nested(scene, 400) },
  {
    when: "a layer is named twice",
    ends: /number of layers and diffIDs don't match/,
    spoil: (scene) =>
      one(scene, (manifest) => ({
        ...manifest,
        layers: [...(manifest["layers"] as unknown[]), ...(manifest["layers"] as unknown[])],
      })),
  },
  {
    when: "a layer has no bytes",
    ends: /size|digest|diffID/,
    spoil: (scene) =>
      one(scene, (manifest) => ({
        ...manifest,
        layers: [{ mediaType: oci("layer").replace("+json", ".tar"), digest: digestOf(""), size: 0 }],
      })),
  },
  {
    when: "a layer's size is below zero",
    ends: /size/,
    spoil: (scene) =>
      one(scene, (manifest) => ({
        ...manifest,
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: scene.layer, size: -5 }],
      })),
  },
  {
    when: "a layer's digest climbs",
    ends: /digest/,
    spoil: (scene) =>
      one(scene, (manifest) => ({
        ...manifest,
        layers: [
          {
            mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
            digest: "sha256:../../../../etc/passwd",
            size: 5,
          },
        ],
      })),
  },
  {
    when: "a layer is encrypted",
    ends: /encrypted/,
    spoil: (scene) =>
      one(scene, (manifest) => ({
        ...manifest,
        layers: (manifest["layers"] as object[]).map((layer) => ({
          ...layer,
          mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        })),
      })),
  },
  {
    when: "a foreign layer's URL is another origin's",
    ends: "well",
    spoil: (scene) =>
      one(scene, (manifest) => ({
        ...manifest,
        layers: (manifest["layers"] as { digest: string }[]).map((layer) => ({
          ...layer,
          urls: [`http://${scene.other.host}/${layer.digest}`],
        })),
      })),
    after: (scene) => {
      if (scene.other.requests.length === 0) throw new Error("the other origin was not asked");
    },
  },
  {
    when: "a foreign layer's URL asks for a password",
    ends: "well",
    spoil: (scene) => {
      scene.atOther.answer = () => ({ status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } });
      return one(scene, (manifest) => ({
        ...manifest,
        layers: (manifest["layers"] as { digest: string }[]).map((layer) => ({
          ...layer,
          urls: [`http://${scene.other.host}/${layer.digest}`],
        })),
      }));
    },
  },
  {
    when: "a manifest is Docker schema 1",
    ends: /schema 1|not supported/,
    spoil: (scene) =>
      always(
        (r) => isManifest(r) && authorized(r),
        changed(scene, () => ({
          status: 200,
          headers: {
            "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "Docker-Content-Digest": digestOf("x"),
          },
          body: "x",
        })),
      ),
  },
  {
    when: "the tag is not there",
    ends: /not found/,
    spoil: () =>
      always(
        (r) => authorized(r),
        () => ({ status: 404, body: "{}" }),
      ),
  },
];
