import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { type contentV1, services } from "@ctr/api";
import { type CallOptions, createClient } from "@ctr/rpc";
import { buildLayer, temporaryDirectory } from "../../packages/engine/src/testing/test-layers.ts";
import { clientsOf, codeOf, describeContract, gather, type Stage, underLease } from "./subjects.ts";

const OCI_TAR = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const sha256 = (bytes: Uint8Array) => `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
const bind = (source: string) => ({ type: "bind", source, options: ["rbind", "rw"] });

describeContract("diff", (stage) => {
  const layer = buildLayer([
    { name: "etc/", mode: 0o700 },
    { name: "etc/name", data: "one" },
    { name: "link", typeFlag: "2", linkName: "etc/name" },
  ]);

  test("apply returns the descriptor of the plain tar, whatever the layer was packed in", async () => {
    const place = await open(stage);
    for (const [mediaType, bytes] of [
      [OCI_TAR, layer],
      [`${OCI_TAR}+gzip`, gzipSync(layer)],
      [DOCKER_GZIP, gzipSync(layer)],
      // Of Docker's types the bytes tell, not the name.
      [DOCKER_GZIP, layer],
    ] as const) {
      using target = temporaryDirectory();
      const diff = await place.put(bytes, mediaType);
      const { applied } = await place.diff.apply({ diff, mounts: [bind(target.dir)] }, place.options);
      expect(applied).toMatchObject({ mediaType: OCI_TAR, digest: sha256(layer), size: BigInt(layer.byteLength) });
      expect(readFileSync(join(target.dir, "link"), "utf8")).toBe("one");
    }
  });

  test("apply refuses a blob that is not there, a type nobody can read, and bytes that are no tar", async () => {
    const place = await open(stage);
    using target = temporaryDirectory();
    const mounts = [bind(target.dir)];
    const missing = { mediaType: OCI_TAR, digest: `sha256:${"0".repeat(64)}`, size: 5n };
    expect(await codeOf(place.diff.apply({ diff: missing, mounts }, place.options))).toBe("not_found");
    const unknown = await place.put(layer, "application/x-unknown");
    expect(await codeOf(place.diff.apply({ diff: unknown, mounts }, place.options))).not.toBe("ok");
    const garbage = await place.put(new Uint8Array(1024).fill(65), OCI_TAR);
    expect(await codeOf(place.diff.apply({ diff: garbage, mounts }, place.options))).toBe("unknown");
    expect(readdirSync(target.dir)).toEqual([]);
  });

  test("apply on a directory: whiteouts delete, an opaque directory loses what was in it", async () => {
    const place = await open(stage);
    using target = temporaryDirectory();
    for (const dir of ["a", "b"]) {
      mkdirSync(join(target.dir, dir));
      writeFileSync(join(target.dir, dir, "old"), "");
    }
    const members = [{ name: "a/.wh.old" }, { name: "b/new" }, { name: "b/.wh..wh..opq" }];
    const diff = await place.put(buildLayer(members), OCI_TAR);
    await place.diff.apply({ diff, mounts: [bind(target.dir)] }, place.options);
    expect(readdirSync(join(target.dir, "a"))).toEqual([]);
    expect(readdirSync(join(target.dir, "b"))).toEqual(["new"]);
  });

  test("diff packs what changed, and labels the blob with the digest of its tar", async () => {
    const place = await open(stage);
    using lower = temporaryDirectory();
    using upper = temporaryDirectory();
    for (const { dir } of [lower, upper]) {
      writeFileSync(join(dir, "same"), "1");
      mkdirSync(join(dir, "dir"));
      writeFileSync(join(dir, "dir/gone"), "");
    }
    await alike(lower.dir, upper.dir);
    rmSync(join(upper.dir, "dir/gone"));
    symlinkSync("same", join(upper.dir, "new"));
    const sides = { left: [bind(lower.dir)], right: [bind(upper.dir)] };
    const labels = { mine: "yes" };
    const { diff } = await place.diff.diff({ ...sides, ref: "diff-1", labels }, place.options);
    expect(diff?.mediaType).toBe(`${OCI_TAR}+gzip`);
    const { bytes, info } = await place.read(diff?.digest ?? "");
    const tar = gunzipSync(bytes);
    expect(info?.labels).toEqual({ ...labels, "containerd.io/uncompressed": sha256(tar) });
    expect(namesIn(tar)).toEqual(["dir/", "dir/.wh.gone", "new"]);
    const plain = await place.diff.diff({ ...sides, mediaType: OCI_TAR }, place.options);
    expect(plain.diff).toMatchObject({
      mediaType: OCI_TAR,
      digest: sha256((await place.read(plain.diff?.digest ?? "")).bytes),
    });
  });

  test("diff writes zstd when that is asked for", async () => {
    const place = await open(stage);
    using upper = temporaryDirectory();
    using lower = temporaryDirectory();
    writeFileSync(join(upper.dir, "f"), "1");
    const mediaType = `${OCI_TAR}+zstd`;
    const sides = { left: [bind(lower.dir)], right: [bind(upper.dir)] };
    const made = place.diff.diff({ ...sides, mediaType }, place.options);
    if (stage.subject.api === "1.6") {
      expect(await codeOf(made)).toBe("unimplemented");
      return;
    }
    const { diff } = await made;
    expect(namesIn(zstdDecompressSync((await place.read(diff?.digest ?? "")).bytes))).toContain("f");
  });

  test("diff refuses other types, and mounts that are not there", async () => {
    const place = await open(stage);
    using dir = temporaryDirectory();
    const sides = { left: [bind(dir.dir)], right: [bind(dir.dir)] };
    expect(await codeOf(place.diff.diff({ ...sides, mediaType: "text/plain" }, place.options))).toBe("unimplemented");
    const right = [bind(join(dir.dir, "missing"))];
    expect(await codeOf(place.diff.diff({ ...sides, right }, place.options))).toBe("unknown");
  });

  test("what diff finds, applied to the lower side, is the upper side", async () => {
    const place = await open(stage);
    using lower = temporaryDirectory();
    using upper = temporaryDirectory();
    writeFileSync(join(lower.dir, "gone"), "");
    mkdirSync(join(upper.dir, "a/b"), { recursive: true });
    writeFileSync(join(upper.dir, "a/b/c"), "deep");
    const { diff } = await place.diff.diff({ left: [bind(lower.dir)], right: [bind(upper.dir)] }, place.options);
    await place.diff.apply({ diff, mounts: [bind(lower.dir)] }, place.options);
    expect(readdirSync(lower.dir, { recursive: true }).sort()).toEqual(["a", "a/b", "a/b/c"]);
  });
});

/** Copies times, so that only what a test changes is a change. */
async function alike(from: string, to: string): Promise<void> {
  for (const name of ["same", "dir/gone", "dir", "."]) {
    const { exited } = Bun.spawn(["touch", "-r", join(from, name), join(to, name)]);
    if ((await exited) !== 0) throw new Error(`touch ${name} failed`);
  }
}

/** Names of a tar's members, in order; those of Pax headers left out. */
function namesIn(tar: Uint8Array): readonly string[] {
  const { stdout } = Bun.spawnSync(["tar", "-t"], { stdin: tar });
  return stdout.toString().split("\n").slice(0, -1);
}

async function open(stage: Stage) {
  const clients = await clientsOf(stage.channel);
  const options: CallOptions = await underLease(stage, clients);
  const diff = createClient(await services.diff(), stage.channel);
  return {
    diff,
    options,
    async put(data: Uint8Array, mediaType: string) {
      const digest = sha256(data);
      const total = BigInt(data.byteLength);
      const requests = async function* (): AsyncGenerator<Partial<contentV1.WriteContentRequest>> {
        yield { action: 2, ref: `put-${digest}`, total, expected: digest, data };
      };
      const written = gather(clients.content.write(requests(), options));
      expect(["ok", "already_exists"]).toContain(await codeOf(written));
      return { mediaType, digest, size: total };
    },
    async read(digest: string) {
      const parts = await gather(clients.content.read({ digest }, options));
      const { info } = await clients.content.info({ digest }, options);
      return { bytes: Buffer.concat(parts.map(({ data }) => data)), info };
    },
  };
}
