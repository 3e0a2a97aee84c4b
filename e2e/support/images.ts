import { createHash } from "node:crypto";
import { chmod, cp, link, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { mustRun } from "./process.ts";

/** Test images are made here from Debian's packages, and pushed with plain HTTP: none of our own code is used. */
const repo = resolve(import.meta.dir, "../..");
const cache = join(repo, ".cache/images");

export interface BlobRef {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An OCI layout directory: `blobs/`, `index.json`, `oci-layout`. */
export interface Layout {
  readonly dir: string;
  /** Digest of the one image index or manifest that index.json names. */
  readonly target: BlobRef;
}

const types = {
  index: "application/vnd.docker.distribution.manifest.list.v2+json",
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};
const ociTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};
export type MediaTypes = typeof types;
export const mediaTypes = { docker: types, oci: ociTypes } as const;

export interface PlatformImage {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  /** Directories, one a layer. */
  readonly layers: readonly string[];
  /** The `config` object of the image. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Nginx of Debian on Debian's libraries with busybox for a shell; an index of eight platforms, seven of them a file each. */
export function nginxLayout(): Promise<Layout> {
  return cached("nginx", async (work) => {
    const base = await directory(work, "base");
    for (const name of ["libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g"]) await unpackDeb(name, base);
    await addBusybox(base);
    await addAccounts(base);
    await removeDocs(base);
    const server = await directory(work, "server");
    for (const name of ["nginx-common", "nginx"]) await unpackDeb(name, server);
    await removeDocs(server);
    for (const name of ["var/log/nginx", "var/lib/nginx"]) await mkdir(join(server, name), { recursive: true });
    const site = await directory(work, "site");
    await mkdir(join(site, "etc/nginx"), { recursive: true });
    await writeFile(join(site, "etc/nginx/nginx.conf"), nginxConf);
    await mkdir(join(site, "usr/share/nginx/html"), { recursive: true });
    await writeFile(join(site, "usr/share/nginx/html/index.html"), "Welcome to nginx in a container\n");
    const config = {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NGINX_VERSION=1.22.1"],
      Cmd: ["nginx", "-g", "daemon off;"],
      ExposedPorts: { "80/tcp": {} },
      Labels: { maintainer: "ctr tests" },
      StopSignal: "SIGQUIT",
    };
    return writeLayout(work, types, [
      { os: "linux", architecture: "amd64", layers: [base, server, site], config },
      ...(await syntheticPlatforms(work)),
    ]);
  });
}

/** Static busybox: one layer, OCI media types, with users to resolve and a stop signal. */
export function busyboxLayout(): Promise<Layout> {
  return cached("busybox", async (work) => {
    const root = await directory(work, "root");
    await addBusybox(root);
    await addAccounts(root);
    return writeLayout(work, ociTypes, [
      {
        os: "linux",
        architecture: "amd64",
        layers: [root],
        config: { Env: ["PATH=/bin"], Cmd: ["sh"], Labels: { from: "debian" } },
      },
    ]);
  });
}

/** Puts an image into a registry as `repository:tag`, platform by platform, index last. */
export async function pushLayout(
  host: string,
  name: string,
  tag: string,
  layout: Layout,
  headers: Record<string, string> = {},
): Promise<void> {
  const base = `http://${host}/v2/${name}`;
  for (const digest of await blobsOf(layout)) {
    const bytes = await readBlob(layout, digest);
    const media = mediaTypeOf(bytes);
    if (media !== undefined) continue;
    await putBlob(base, digest, bytes, headers);
  }
  const top = await readBlob(layout, layout.target.digest);
  const children: readonly BlobRef[] = JSON.parse(top.toString()).manifests ?? [];
  for (const child of children) await putManifest(base, child.digest, await readBlob(layout, child.digest), headers);
  await putManifest(base, tag, top, headers);
}

async function putBlob(base: string, digest: string, bytes: Buffer, headers: Record<string, string>): Promise<void> {
  const started = await fetch(`${base}/blobs/uploads/`, { method: "POST", headers });
  const location = new URL(started.headers.get("location") ?? "", base);
  location.searchParams.set("digest", digest);
  const done = await fetch(location, {
    method: "PUT",
    body: bytes,
    headers: { ...headers, "content-type": "application/octet-stream" },
  });
  if (done.status !== 201) throw new Error(`cannot push blob ${digest}: ${done.status} ${await done.text()}`);
}

async function putManifest(base: string, tag: string, bytes: Buffer, headers: Record<string, string>): Promise<void> {
  const media = mediaTypeOf(bytes) ?? "";
  const done = await fetch(`${base}/manifests/${tag}`, {
    method: "PUT",
    body: bytes,
    headers: { ...headers, "content-type": media },
  });
  if (done.status !== 201) throw new Error(`cannot push manifest ${tag}: ${done.status} ${await done.text()}`);
}

/** The media type that an index or manifest says of itself; configs and layers say none. */
function mediaTypeOf(bytes: Buffer): string | undefined {
  if (bytes[0] !== 0x7b) return undefined;
  const media: unknown = JSON.parse(bytes.toString()).mediaType;
  return typeof media === "string" ? media : undefined;
}

export function readBlob(layout: Layout, digest: string): Promise<Buffer> {
  return readFile(join(layout.dir, "blobs/sha256", digest.slice("sha256:".length)));
}

async function blobsOf(layout: Layout): Promise<readonly string[]> {
  return (await readdir(join(layout.dir, "blobs/sha256"))).map((hex) => `sha256:${hex}`);
}

/** The layout as one tar, as `ctr images import` takes it. */
export async function archiveOf(layout: Layout, file: string): Promise<void> {
  await mustRun(["tar", "-C", layout.dir, "--sort=name", "-cf", file, "blobs", "index.json", "oci-layout"]);
}

/** Writes an image of one manifest, or an index over several, as an OCI layout below `work`. */
export async function writeLayout(
  work: string,
  media: MediaTypes,
  images: readonly PlatformImage[],
  ref = "latest",
): Promise<string> {
  const dir = join(work, "layout");
  await mkdir(join(dir, "blobs/sha256"), { recursive: true });
  const manifests: (BlobRef & { platform: unknown })[] = [];
  for (const image of images) {
    const manifest = await writeManifest(dir, work, media, image);
    const { os, architecture, variant } = image;
    manifests.push({ ...manifest, platform: { architecture, os, ...(variant ? { variant } : {}) } });
  }
  const only = manifests.length === 1 ? manifests[0] : undefined;
  const target = only
    ? { mediaType: only.mediaType, digest: only.digest, size: only.size }
    : await writeBlob(
        dir,
        media.index,
        JSON.stringify({ schemaVersion: 2, mediaType: media.index, manifests }, null, 2),
      );
  const entry = { ...target, annotations: { "org.opencontainers.image.ref.name": ref } };
  await writeFile(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  await writeFile(join(dir, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return dir;
}

async function writeManifest(dir: string, work: string, media: MediaTypes, image: PlatformImage): Promise<BlobRef> {
  const layers: BlobRef[] = [];
  const diffIds: string[] = [];
  for (const layer of image.layers) {
    const tar = join(work, "layer.tar");
    await mustRun([
      "tar",
      "-C",
      layer,
      "--sort=name",
      "--mtime=@1600000000",
      "--numeric-owner",
      "--owner=0",
      "--group=0",
      "-cf",
      tar,
      ".",
    ]);
    diffIds.push(sha256(await readFile(tar)));
    await mustRun(["gzip", "-nf", tar]);
    layers.push(await writeBlob(dir, media.layer, await readFile(`${tar}.gz`)));
  }
  const { os, architecture, variant, config } = image;
  const configBlob = await writeBlob(
    dir,
    media.config,
    JSON.stringify({
      created: "2026-01-02T03:04:05Z",
      architecture,
      ...(variant ? { variant } : {}),
      os,
      config,
      rootfs: { type: "layers", diff_ids: diffIds },
    }),
  );
  return writeBlob(
    dir,
    media.manifest,
    JSON.stringify({ schemaVersion: 2, mediaType: media.manifest, config: configBlob, layers }),
  );
}

export async function writeBlob(dir: string, mediaType: string, content: string | Buffer): Promise<BlobRef> {
  const bytes = Buffer.from(content);
  const digest = sha256(bytes);
  await writeFile(join(dir, "blobs/sha256", digest.slice("sha256:".length)), bytes);
  return { mediaType, size: bytes.byteLength, digest };
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Builds a layout once per checkout: into a work directory first, then renamed, so that a broken build leaves none. */
async function cached(name: string, build: (work: string) => Promise<string>): Promise<Layout> {
  const dir = join(cache, name);
  const index = await readFile(join(dir, "index.json"), "utf8").catch(() => undefined);
  if (index === undefined) {
    const work = await mkdtemp(join(tmpdir(), "ctr-image-"));
    const built = await build(work);
    await mkdir(dirname(dir), { recursive: true });
    const staged = `${dir}.${process.pid}`;
    await cp(built, staged, { recursive: true });
    // Another test process may have been quicker; its image is the same.
    await rename(staged, dir).catch(() => rm(staged, { recursive: true, force: true }));
    await rm(work, { recursive: true, force: true });
  }
  const { manifests } = JSON.parse(await readFile(join(dir, "index.json"), "utf8"));
  const { mediaType, digest, size } = manifests[0];
  return { dir, target: { mediaType, digest, size } };
}

async function directory(work: string, name: string): Promise<string> {
  const dir = join(work, name);
  await mkdir(dir, { recursive: true });
  return dir;
}

/** A package that set-up downloaded, unpacked and not installed. */
export async function unpackDeb(name: string, into: string): Promise<void> {
  const debs = join(repo, ".cache/debs");
  const file = (await readdir(debs)).find((entry) => entry.startsWith(`${name}_`));
  if (file === undefined) throw new Error(`${name} is not in .cache/debs: run \`bash scripts/setup.sh test\``);
  await mustRun(["dpkg", "-x", join(debs, file), into]);
}

async function removeDocs(root: string): Promise<void> {
  for (const name of ["doc", "man", "locale", "lintian", "gconv"])
    await rm(join(root, "usr/share", name), { recursive: true, force: true });
  await rm(join(root, "usr/lib/x86_64-linux-gnu/gconv"), { recursive: true, force: true });
}

const applets =
  "sh ls cat echo env sleep true false id ps wget vi touch mkdir rm mount umount dd head tail wc stty sha256sum grep printf kill hostname ip test date seq tty chmod nc stat readlink sync yes cp mv ln find sort tr awk sed od";

async function addBusybox(root: string): Promise<void> {
  for (const name of ["bin", "tmp", "proc", "sys", "dev", "root", "run", "etc"])
    await mkdir(join(root, name), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  await unpackDeb("busybox-static", root);
  await removeDocs(root);
  for (const applet of applets.split(" ")) await link(join(root, "bin/busybox"), join(root, "bin", applet));
  await symlink("/proc/self/fd", join(root, "dev/fd")).catch(() => undefined);
}

async function addAccounts(root: string): Promise<void> {
  await mkdir(join(root, "etc"), { recursive: true });
  const passwd =
    "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www:/var/www:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
  await writeFile(join(root, "etc/passwd"), passwd);
  await writeFile(
    join(root, "etc/group"),
    "root:x:0:\nadm:x:4:app\naudio:x:29:app\nwheel:x:10:app,root\nwww-data:x:33:\napp:x:1001:\nnogroup:x:65534:\n",
  );
}

async function syntheticPlatforms(work: string): Promise<readonly PlatformImage[]> {
  const rows: readonly (readonly [string, string?])[] = [
    ["386"],
    ["arm", "v6"],
    ["arm", "v7"],
    ["arm64", "v8"],
    ["ppc64le"],
    ["s390x"],
  ];
  const images: PlatformImage[] = [];
  for (const [architecture, variant] of rows) {
    const layer = await directory(work, `only-${architecture}${variant ?? ""}`);
    await writeFile(join(layer, "platform"), `${architecture}${variant ?? ""}\n`);
    images.push({
      os: "linux",
      architecture,
      ...(variant ? { variant } : {}),
      layers: [layer],
      config: { Cmd: ["nginx"] },
    });
  }
  return images;
}

const nginxConf = `user root;
worker_processes 2;
pid /run/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  server {
    listen 80;
    root /usr/share/nginx/html;
  }
}
`;
