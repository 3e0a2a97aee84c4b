import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { openHostSource, openResolver } from "@ctr/registry";
import { mountsBelow } from "../support/containerd.ts";
import { openStage, type Stage, textOf } from "./setup.ts";

let stage: Stage;
let image: string;

beforeAll(async () => {
  stage = await openStage("run");
  image = stage.busybox;
  await stage.client.images.pull(image);
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

const pipe = (stdin = false) => ({ kind: "pipe", stdin, fifoDir: stage.fifoDir }) as const;

test("pull() leaves an image that is whole and unpacked, and no lease", async () => {
  const { client } = stage;
  expect(await client.images.isUnpacked(image)).toBe(true);
  const check = await client.images.check(image);
  expect([check.missing.length, check.present.length]).toEqual([0, 2]);
  expect(await client.images.platforms(image)).toEqual([{ os: "linux", architecture: "amd64" }]);
  expect(await client.leases.list()).toEqual([]);
});

test("pull() of an unknown name fails as not found and leaves nothing", async () => {
  const { client, registry } = stage;
  const name = `${registry.host}/lib/nothing:1`;
  await expect(client.images.pull(name)).rejects.toMatchObject({ code: "not_found" });
  expect((await client.images.list([`name==${name}`])).length).toBe(0);
  expect(await client.leases.list()).toEqual([]);
});

test("push() sends an image back under another name, which can then be pulled", async () => {
  const { client, registry } = stage;
  const resolver = openResolver({ hosts: openHostSource({ plainHttp: true }) });
  const name = `${registry.host}/copy/busybox:2`;
  await client.images.push(name, { image, resolver });
  const { image: pulled } = await client.images.pull(name, { resolver, unpack: false });
  expect(pulled.target).toEqual((await client.images.get(image)).target);
});

test("exportArchive() and importArchive() carry an image into another namespace", async () => {
  const { client } = stage;
  const other = client.withNamespace(`${client.namespace}-copy`);
  const [imported] = await other.images.importArchive(client.images.exportArchive([image]));
  expect(imported?.target.digest).toBe((await client.images.get(image)).target.digest);
  expect(imported?.name).toBe(image);
  expect(await other.images.isUnpacked(image)).toBe(true);
});

test("run() gives output and exit code, and disposing leaves nothing behind", async () => {
  const { client, fifoDir, daemon } = stage;
  {
    await using task = await client.run({ image, id: "hello", args: ["sh", "-c", "echo hi; exit 3"], io: pipe() });
    expect(await textOf(task.stdout)).toBe("hi\n");
    expect((await task.wait()).exitCode).toBe(3);
  }
  expect(await client.containers.list()).toEqual([]);
  expect(await client.tasks.list()).toEqual([]);
  expect((await Array.fromAsync(client.snapshots().walk(["kind==active"]))).length).toBe(0);
  expect(readdirSync(fifoDir)).toEqual([]);
  expect(await mountsBelow(daemon.dir)).toEqual([]);
});

test("run() that cannot start takes everything back, so that the id can be used again", async () => {
  const { client } = stage;
  for (const _try of [1, 2]) {
    const failed = client.run({ image, id: "nosuch", args: ["/no/such"], io: pipe() });
    await expect(failed).rejects.toThrow(/no such file or directory|executable file not found/);
  }
  expect(await client.containers.list()).toEqual([]);
});

test("run() of an id that is taken fails and leaves the first one alone", async () => {
  const { client } = stage;
  await using task = await client.run({ image, id: "twice", args: ["sleep", "60"], io: { kind: "null" } });
  const second = client.run({ image, id: "twice", args: ["true"], io: { kind: "null" } });
  await expect(second).rejects.toMatchObject({ code: "already_exists" });
  expect(await task.status()).toBe("running");
});

test("stdin that ends before the process runs still reaches it whole", async () => {
  const { client } = stage;
  for (const _try of [1, 2, 3, 4, 5]) {
    const container = await client.containers.createFromImage({ image, id: "early", args: ["cat"] });
    await using task = await container.createTask({ io: pipe(true), afterDispose: () => container.delete() });
    await task.stdin.write("all of it\n");
    const ended = task.stdin.end();
    await task.start();
    await ended;
    expect(await textOf(task.stdout)).toBe("all of it\n");
    expect((await task.wait()).exitCode).toBe(0);
  }
});

test("100 MB through stdin and stdout at once arrive unchanged", async () => {
  const { client } = stage;
  await using task = await client.run({ image, id: "much", args: ["cat"], io: pipe(true) });
  const chunk = new Uint8Array(1_000_000).map((_byte, index) => index % 253);
  const writing = (async () => {
    for (let sent = 0; sent < 100; sent++) await task.stdin.write(chunk);
    await task.stdin.end();
  })();
  const got = new Bun.CryptoHasher("sha256");
  for await (const bytes of task.stdout) got.update(bytes);
  await writing;
  const want = new Bun.CryptoHasher("sha256");
  for (let sent = 0; sent < 100; sent++) want.update(chunk);
  expect(got.digest("hex")).toBe(want.digest("hex"));
}, 60_000);

test("disposing a task that was never started kills the process that waits for it, which runc's shim would wait for", async () => {
  const { client } = stage;
  const container = await client.containers.createFromImage({ image, id: "unstarted", args: ["true"] });
  const task = await container.createTask({ io: pipe(true), afterDispose: () => container.delete() });
  const ended = task.wait();
  await task[Symbol.asyncDispose]();
  expect((await ended).exitCode).toBe(137);
  expect(await client.containers.list()).toEqual([]);
});

test("disposing a task that fills an unread pipe kills it without waiting for a reader", async () => {
  const { client } = stage;
  {
    await using task = await client.run({ image, id: "full", args: ["cat", "/dev/zero"], io: pipe() });
    expect(await task.status()).toBe("running");
  }
  expect(await client.containers.list()).toEqual([]);
});

test("exec() runs further processes, piped and on a terminal", async () => {
  const { client, fifoDir } = stage;
  await using task = await client.run({ image, id: "execs", args: ["sleep", "60"], io: { kind: "null" } });
  await using piped = await task.exec({ args: ["sh", "-c", "echo out; echo err >&2; exit 5"], io: pipe() });
  await piped.start();
  expect(await Promise.all([textOf(piped.stdout), textOf(piped.stderr)])).toEqual(["out\n", "err\n"]);
  expect((await piped.wait()).exitCode).toBe(5);
  await using shell = await task.exec({ args: ["sh", "-c", "read x; stty size"], io: { kind: "terminal", fifoDir } });
  await shell.start();
  await shell.resize({ width: 111, height: 33 });
  await shell.stdin.write("\n");
  expect(await textOf(shell.stdout)).toContain("33 111");
});

test("a task is paused, resumed, measured and stopped by name of signal", async () => {
  const { client } = stage;
  const args = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"];
  await using task = await client.run({ image, id: "steps", args, io: { kind: "null" } });
  await task.pause();
  expect(await task.status()).toBe("paused");
  await task.resume();
  expect(await task.pids()).toContain(task.pid);
  expect((await task.metrics())?.data?.kind).toMatch(/^io\.containerd\.cgroups\.v[12]\.Metrics$/);
  await task.kill("term");
  expect((await task.wait()).exitCode).toBe(7);
});

test("attach() takes up the streams of a task that was detached", async () => {
  const { client } = stage;
  const container = await client.containers.createFromImage({ image, id: "attached", args: ["cat"] });
  const first = await container.createTask({ io: pipe(true) });
  await first.start({ watch: false });
  await first.detach();
  await using second = await (await client.containers.get("attached")).attach();
  await second.stdin.write("again\n");
  await second.stdin.end();
  expect(await textOf(second.stdout)).toBe("again\n");
  expect((await second.wait()).exitCode).toBe(0);
  await second.delete();
  await container.delete();
});

test("the spec of a container comes from the image, and users are looked up in its tree", async () => {
  const { client } = stage;
  const container = await client.containers.createFromImage({ image, id: "spec", args: ["id"], user: "root" });
  expect(container.spec?.process).toMatchObject({
    args: ["id"],
    cwd: "/",
    env: ["PATH=/bin"],
    user: { uid: 0, gid: 0 },
  });
  expect(container.labels).toMatchObject({ from: "debian", "io.containerd.image.config.stop-signal": "SIGTERM" });
  const failed = client.containers.createFromImage({ image, id: "nouser", user: "nobody-such" });
  await expect(failed).rejects.toThrow("no users found");
  // In this order: a snapshot that no container names is any collection's to take.
  await client.snapshots().remove("spec");
  await client.containers.delete("spec");
  expect((await Array.fromAsync(client.snapshots().walk(["name==nouser"]))).length).toBe(0);
});
