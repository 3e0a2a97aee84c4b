import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { layoutAnswer, startFaultyRegistry } from "../support/faulty-registry.ts";
import { nginxLayout, sha256 } from "../support/images.ts";
import { run } from "../support/process.ts";
import { busybox, sharedBench } from "./setup.ts";

/** Flags of content, leases, namespaces and snapshots that the differential suite does not reach. */
const bench = sharedBench("content");
beforeAll(bench.open);
afterAll(bench.close);

const blobs = async () => (await bench.now.line(["content", "ls", "-q"])).trim().split("\n");
const lines = (text: string) => text.split("\n").filter(Boolean);

test("leases delete --sync: what the lease kept is gone when the command ends", async () => {
  const { line } = bench.now;
  const collect = async () => {
    await line(["leases", "create", "--id", "empty"]);
    await line(["leases", "delete", "--sync", "empty"]);
  };
  // The one that a daemon begins with must not come in between. After it none comes by itself: nothing was deleted.
  await collect();
  const text = "kept by nothing";
  const digest = sha256(Buffer.from(text));
  await line(["content", "ingest", "stray"], { stdin: text });
  expect(await blobs()).toContain(digest);
  await collect();
  expect(await blobs()).not.toContain(digest);
});

test("leases create --expires: the lease's label tells when it ends; 0 is never", async () => {
  const { line } = bench.now;
  const expiry = async (...words: readonly string[]) => {
    const id = (await line(["leases", "create", ...words])).trim();
    const row = lines(await line(["leases", "ls"])).find((text) => text.startsWith(id)) ?? "";
    await line(["leases", "delete", id]);
    return /containerd\.io\/gc\.expire=(\S+)/.exec(row)?.[1];
  };
  expect(await expiry("--expires", "0s")).toBeUndefined();
  const hours = async (text: string) => (Date.parse((await expiry("--expires", text)) ?? "") - Date.now()) / 3_600_000;
  expect(await hours("2h")).toBeCloseTo(2, 1);
  expect(await hours("30h")).toBeCloseTo(30, 1);
});

test("content active --timeout: a daemon that does not answer is not waited for", async () => {
  const silent = join(bench.now.daemon.dir, "silent.sock");
  using _listener = Bun.listen({ unix: silent, socket: { data: () => undefined } });
  const words = ["-a", silent, "content", "active", "--timeout", "50ms"];
  const { code, stderr } = await run([ourCtr, ...words], { timeoutMs: 5000 });
  expect(code).toBe(1);
  expect(stderr).toContain("deadline exceeded");
  expect(await bench.now.line(["content", "active", "--timeout", "5s", "--root", "/nowhere"])).toStartWith("REF");
});

test("content edit --validate: what cannot be done is refused before the editor starts", async () => {
  const [digest = ""] = await blobs();
  const outcome = await bench.now.ctr(["content", "edit", "--validate", "x", "--editor", "touch /nowhere/x;", digest]);
  expect(outcome).toMatchObject({ code: 1, stderr: "ctr: validating the edit result not supported\n" });
});

test("content fetch-blob --media-type: a manifest is asked for at the manifests' endpoint, as that type", async () => {
  const body = "{}";
  await using registry = await startFaultyRegistry(async (_request, path) =>
    path.includes("/manifests/") ? new Response(body, { headers: { "content-type": "a/b" } }) : undefined,
  );
  const fetch = ["content", "fetch-blob", "--plain-http", `${registry.host}/x`, sha256(Buffer.from(body))];
  const ours = (...words: readonly string[]) => run([ourCtr, ...fetch.slice(0, 3), ...words, ...fetch.slice(3)]);
  const type = "application/vnd.oci.image.manifest.v1+json";
  expect(await ours("--media-type", type)).toEqual({ code: 0, stdout: body, stderr: "" });
});

test("content fetch --skip-metadata: what describes other platforms stays away, though all of it was asked for", async () => {
  const layout = await nginxLayout();
  await using registry = await startFaultyRegistry(layoutAnswer(layout, "lib/nginx", "1"));
  const count = async (...words: readonly string[]) => {
    const globals = ["-a", bench.now.daemon.address, "-n", `meta-${words.length}`];
    const fetch = ["content", "fetch", "--plain-http", ...words, `${registry.host}/lib/nginx:1`];
    expect(await run([ourCtr, ...globals, ...fetch])).toMatchObject({ code: 0, stderr: "" });
    return lines((await run([ourCtr, ...globals, "content", "ls", "-q"])).stdout).length;
  };
  // An index, manifest and configuration of each of seven platforms, layers of one.
  expect(await count("--all-metadata")).toBe(1 + 7 * 2 + 3);
  expect(await count("--all-metadata", "--skip-metadata")).toBe(1 + 2 + 3);
});

test("namespaces remove --cgroup: the cgroup of its name goes with it", async () => {
  const { line } = bench.now;
  const name = `cmd-gone-${process.pid}`;
  const cgroup = join("/sys/fs/cgroup/pids", name);
  await mkdir(cgroup);
  await line(["namespaces", "create", name]);
  expect(await line(["namespaces", "remove", "--cgroup", name])).toBe(`${name}\n`);
  expect(stat(cgroup)).rejects.toMatchObject({ code: "ENOENT" });
});

test("snapshots prepare and view --mounts: the mounts as JSON, as the Go tool prints them", async () => {
  const { go, line } = bench.now;
  const strip = (text: string) => text.replaceAll(/snapshots\/\d+/g, "snapshots/N");
  for (const word of ["prepare", "view"]) {
    const ours = await line(["snapshots", word, "--mounts", `${word}-ours`]);
    const theirs = (await go(["snapshots", word, "--mounts", `${word}-base`])).stdout;
    expect(JSON.parse(ours)).toHaveLength(1);
    // 1.6 does not know mounts on a subdirectory of the target.
    expect(strip(ours)).toBe(strip(theirs).replace(/( +"Source": .*\n)/, '$1        "Target": "",\n'));
    expect(await line(["snapshots", word, `${word}-quiet`])).toBe("");
  }
});

test("snapshots mounts --temp: a daemon without a mount manager leaves all the mounts to the caller", async () => {
  const { line } = bench.now;
  await line(["snapshots", "prepare", "temp"]);
  const plain = await line(["snapshots", "mounts", "/target", "temp"]);
  expect(plain).toStartWith("mount -t ");
  expect(await line(["snapshots", "mounts", "--temp", "/target", "temp"])).toBe(plain);
});

test("snapshots diff --media-type --keep --label: how the layer is stored", async () => {
  const { line } = bench.now;
  const [top = ""] = lines(await line(["images", "usage", busybox]))[1]?.split(/\s+/) ?? [];
  const diff = async (...words: readonly string[]) => {
    const { stdout } = await run(bench.now.command("snapshots", "diff", ...words, top));
    return stdout;
  };
  const tar = await diff("--media-type", "application/vnd.oci.image.layer.v1.tar", "--keep", "--label", "who=me");
  expect(tar.slice(257, 262)).toBe("ustar");
  const kept = lines(await line(["content", "ls"])).find((row) => row.includes("who=me"));
  expect(kept).toContain("containerd.io/gc.root=");
  expect((await diff()).slice(257, 262)).not.toBe("ustar");
  // Without --keep nothing holds the layer once the command has ended.
  await diff("--label", "who=nobody");
  await line(["leases", "create", "--id", "after-diff"]);
  await line(["leases", "delete", "--sync", "after-diff"]);
  expect(await line(["content", "ls"])).not.toContain("who=nobody");
});

test("snapshots diff --ref: the layer is written under that ref, which one writer at a time holds", async () => {
  const { command, ctr, line } = bench.now;
  const [top = ""] = lines(await line(["images", "usage", busybox]))[1]?.split(/\s+/) ?? [];
  // Holds the ref for as long as more may come.
  const holder = Bun.spawn([...command("content", "ingest", "held")], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  holder.stdin.write("beginning");
  await holder.stdin.flush();
  while (!(await line(["content", "active"])).includes("held"));
  const held = await ctr(["--timeout", "1s", "snapshots", "diff", "--ref", "held", top]);
  expect(held).toMatchObject({ code: 1, stdout: "" });
  expect(held.stderr).toMatch(/deadline exceeded|locked/);
  for (const words of [[], ["--ref", "free"]]) {
    expect((await ctr(["snapshots", "diff", ...words, top])).stdout.length).toBeGreaterThan(0);
  }
  await holder.stdin.end();
  expect(await holder.exited).toBe(0);
  expect((await ctr(["snapshots", "diff", "--ref", "held", top])).code).toBe(0);
});

test("snapshots unpack --snapshotter --sync-fs: the image's layers in the snapshotter that is named", async () => {
  const { go, line } = bench.now;
  const target = lines(await line(["images", "ls", `name==${busybox}`]))[1]?.split(/\s+/)[2] ?? "";
  const names = async () => lines(await line(["snapshots", "--snapshotter", "native", "ls"])).length - 1;
  expect(await names()).toBe(0);
  const said = await line(["snapshots", "unpack", "--snapshotter", "native", "--sync-fs", target]);
  expect(said).toMatch(/^unpacking sha256:\w+ \(application\/[^)]+\)\.\.\.done\n$/);
  expect(await names()).toBe(1);
  expect((await go(["snapshots", "--snapshotter", "native", "tree"])).stdout).toContain("sha256:");
});
