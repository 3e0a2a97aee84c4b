import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd, unmountBelow } from "../support/containerd.ts";
import { type PrivateDockerd, startDockerd } from "../support/dockerd.ts";
import { forgetStore, startServe } from "../support/engine.ts";
import { archiveOf, busyboxLayout, type Layout, readBlob } from "../support/images.ts";
import { mustRun } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** What we send and write is read by skopeo, umoci, docker and the Go ctr with the same digests, and theirs by us. */
let dir = "";
let layout: Layout;
/** What no copy may change, whatever is around it. */
let configDigest = "";
let archive = "";
let registry: PrivateRegistry;
let daemon: PrivateContainerd;
let served: PrivateContainerd;
let dockerd: PrivateDockerd;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-interop-"));
  layout = await busyboxLayout();
  configDigest = JSON.parse((await readBlob(layout, layout.target.digest)).toString()).config.digest;
  archive = join(dir, "layout.tar");
  await archiveOf(layout, archive);
  [registry, daemon, served] = await Promise.all([startRegistry(), startContainerd(), startServe()]);
  dockerd = await startDockerd(served);
}, 60_000);

afterAll(async () => {
  await dockerd?.[Symbol.asyncDispose]();
  await unmountBelow(served.dir);
  await Promise.all([registry, daemon, served].map((one) => one?.[Symbol.asyncDispose]()));
  await forgetStore(join(dir, "root"));
  await unmountBelow(dir);
  await rm(dir, { recursive: true, force: true });
}, 60_000);

const engines = [
  ["containerd", () => daemon.address],
  ["embedded", () => `embedded://${join(dir, "root")}`],
] as const;

describe.each(engines)("on %s", (engine, address) => {
  const images = (...words: readonly string[]) => mustRun([ourCtr, "-a", address(), "images", ...words]);
  const name = `docker.io/library/${engine}:1`;
  const file = (what: string) => join(dir, `${engine}-${what}`);
  const digestOf = async (image: string) =>
    (await images("ls", `name==${image}`))
      .split("\n")[1]
      ?.split(/\s+/)
      .find((word) => word.startsWith("sha256:"));

  beforeAll(async () => {
    await images("import", "--base-name", "docker.io/library/layout", archive);
    const [first = ""] = (await images("ls", "-q")).split("\n").filter((line) => line.includes("layout"));
    await images("tag", first, name);
  }, 60_000);

  /** The same manifest, or at least the same image under a manifest of the tool's own. */
  async function expectImage(image: string): Promise<void> {
    expect(await images("check", `name==${image}`)).toMatch(/ complete \(/);
    const digest = (await digestOf(image)) ?? "";
    const manifest = JSON.parse(await mustRun([ourCtr, "-a", address(), "content", "get", digest]));
    expect(manifest.config.digest).toBe(configDigest);
  }

  test("what we push is pulled by skopeo and by the Go ctr with the same digest", async () => {
    const pushed = `${registry.host}/lib/${engine}:1`;
    await images("push", "--plain-http", pushed, name);
    const copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--preserve-digests", `docker://${pushed}`];
    await mustRun([...copy, `oci:${file("copy")}`]);
    const index = JSON.parse(await readFile(join(file("copy"), "index.json"), "utf8"));
    expect(index.manifests[0].digest).toBe(layout.target.digest);

    const go = [goCtr, "-a", daemon.address, "-n", `go-${engine}`, "images"];
    await mustRun([...go, "pull", "--plain-http", pushed]);
    expect(await mustRun([...go, "ls"])).toContain(` ${layout.target.digest} `);
  }, 60_000);

  test("what skopeo pushes is pulled by us with the same digest", async () => {
    const pushed = `${registry.host}/lib/skopeo-${engine}:1`;
    const copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", "--preserve-digests", `oci-archive:${archive}`];
    await mustRun([...copy, `docker://${pushed}`]);
    await images("pull", "--plain-http", pushed);
    expect(await digestOf(pushed)).toBe(layout.target.digest);
  }, 60_000);

  test("what we export is read by skopeo, umoci and docker", async () => {
    const exported = file("export.tar");
    await images("export", exported, name);
    await mustRun(["skopeo", "copy", "-q", "--preserve-digests", `oci-archive:${exported}`, `oci:${file("oci")}:1`]);
    const index = JSON.parse(await readFile(join(file("oci"), "index.json"), "utf8"));
    expect(index.manifests[0].digest).toBe(layout.target.digest);

    const config = await mustRun(["skopeo", "inspect", "--raw", "--config", `docker-archive:${exported}`]);
    expect(new Bun.CryptoHasher("sha256").update(config).digest("hex")).toBe(configDigest.slice("sha256:".length));

    await mustRun(["mkdir", file("layout")]);
    await mustRun(["tar", "-C", file("layout"), "-xf", exported]);
    const tag: string = JSON.parse(await readFile(join(file("layout"), "index.json"), "utf8")).manifests[0].annotations[
      "org.opencontainers.image.ref.name"
    ];
    await mustRun(["umoci", "unpack", "--image", `${file("layout")}:${tag}`, file("bundle")]);
    expect(await readFile(join(file("bundle"), "rootfs/etc/passwd"), "utf8")).toStartWith("root:x:0:0:");

    expect(await dockerd.docker("load", "-i", exported)).toContain(`Loaded image: ${engine}:1`);
    expect((await dockerd.docker("image", "inspect", "-f", "{{.Id}}", `${engine}:1`)).trim()).toBe(configDigest);
  }, 60_000);

  test("what skopeo writes is imported by us", async () => {
    const from = `oci-archive:${archive}`;
    await mustRun(["skopeo", "copy", "-q", from, `docker-archive:${file("docker.tar")}:theirs:docker`]);
    await images("import", file("docker.tar"));
    expect(await images("check", "name==docker.io/library/theirs:docker")).toMatch(/ complete \(/);

    await mustRun(["skopeo", "copy", "-q", from, `oci-archive:${file("oci.tar")}:docker.io/library/theirs:oci`]);
    await images("import", file("oci.tar"));
    await expectImage("docker.io/library/theirs:oci");
    expect(await digestOf("docker.io/library/theirs:oci")).toBe(layout.target.digest);
  }, 60_000);

  test("what docker saves is imported by us", async () => {
    const source = file("for-docker.tar");
    const theirs = `saved-${engine}:1`;
    await mustRun(["skopeo", "copy", "-q", `oci-archive:${archive}`, `docker-archive:${source}:${theirs}`]);
    await dockerd.docker("load", "-i", source);
    await dockerd.docker("save", "-o", file("saved.tar"), theirs);
    await images("import", file("saved.tar"));
    await expectImage(`docker.io/library/${theirs}`);
  }, 60_000);

  test("what umoci writes is imported by us", async () => {
    const at = file("umoci");
    await mustRun(["umoci", "init", "--layout", at]);
    await mustRun(["umoci", "new", "--image", `${at}:1`]);
    await mustRun(["umoci", "insert", "--image", `${at}:1`, "/etc/hostname", "/etc/hostname"]);
    await mustRun(["tar", "-C", at, "-cf", `${at}.tar`, "."]);
    await images("import", "--base-name", "docker.io/library/umoci", `${at}.tar`);
    const index = JSON.parse(await readFile(join(at, "index.json"), "utf8"));
    expect(await digestOf("docker.io/library/umoci:1")).toBe(index.manifests[0].digest);
    expect(await images("check", "name==docker.io/library/umoci:1")).toMatch(/ complete \(/);
  }, 60_000);
});
