import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { encodeAny, protobufAny } from "@ctr/api";
import { type Client, connect } from "@ctr/client";
import { type Descriptor, defaultSpec, digestOf, encodeSpec, mediaTypes, SPEC_TYPE_URL, writeBlob } from "@ctr/oci";
import { busybox, sharedBench } from "../commands/setup.ts";
import { mustRun } from "../support/process.ts";

/** Checkpoints whose every byte a stranger wrote. */
const bench = sharedBench("hostile-checkpoint");
let client: Client;
beforeAll(async () => {
  await bench.open();
  client = await connect({ address: bench.now.daemon.address, namespace: bench.now.namespace });
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await bench.close();
});

const { signal } = new AbortController();
const plain = defaultSpec({ namespace: "default", id: "theirs" });
const usual = {
  ...plain,
  process: { ...plain.process, user: { uid: 0, gid: 0 }, cwd: "/", args: ["/bin/sleep", "1000"] },
};

interface Forged {
  readonly spec?: object;
  readonly runtime?: string;
  readonly options?: protobufAny.Any;
  /** Members of the dump. */
  readonly dump?: Uint8Array;
  readonly name?: string;
}

/** Stores a checkpoint as containerd would, and its name. */
async function forge(forged: Forged): Promise<string> {
  const { spec = usual, runtime = "io.containerd.runc.v2", options, dump, name = "forged:1" } = forged;
  const parts: Descriptor[] = [];
  const add = async (mediaType: string, bytes: Uint8Array) => {
    parts.push(await store(mediaType, bytes));
  };
  // What `encodeSpec` takes of an object is what it finds in it.
  const any = { typeUrl: SPEC_TYPE_URL, value: encodeSpec(spec as typeof plain) };
  await add(mediaTypes.checkpointConfig, protobufAny.Any.encode(any).finish());
  if (options) await add(mediaTypes.checkpointRuntimeOptions, protobufAny.Any.encode(options).finish());
  if (dump) await add(mediaTypes.checkpointCriu, dump);
  const annotations = {
    "org.opencontainers.image.ref.name": busybox,
    "io.containerd.checkpoint.runtime": runtime,
    "io.containerd.checkpoint.snapshotter": "overlayfs",
  };
  const manifests = parts.map(({ size, ...part }) => ({ ...part, size: Number(size) }));
  const index = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, manifests, annotations }));
  const labels = Object.fromEntries(parts.map(({ digest }, at) => [`containerd.io/gc.ref.content.${at}`, digest]));
  await client.images.put({ name, target: await store(mediaTypes.ociIndex, index, labels) });
  return name;
}

async function store(mediaType: string, bytes: Uint8Array, labels: Record<string, string> = {}): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: BigInt(bytes.byteLength) };
  const kept = { ...labels, "containerd.io/gc.root": "now" };
  await writeBlob(client.content, { ref: descriptor.digest, descriptor, bytes }, { signal, labels: kept });
  return descriptor;
}

/** All that a restore could make or change. */
async function state(): Promise<readonly string[]> {
  const { line } = bench.now;
  const views = [
    ["images", "ls"],
    ["containers", "ls"],
    ["snapshots", "ls"],
    ["tasks", "ls"],
    ["leases", "ls"],
  ];
  return await Promise.all(views.map((words) => line(words)));
}

const runc = (options: object) => encodeAny("containerd.runc.v1.Options", options);

test.each<[string, Forged, string]>([
  [
    "a hook",
    { spec: { ...usual, hooks: { createRuntime: [{ path: "/bin/touch", args: ["touch", "/tmp/hooked"] }] } } },
    "hooks",
  ],
  [
    "a directory of the host",
    { spec: { ...usual, mounts: [{ destination: "/host", type: "bind", source: "/", options: ["rbind"] }] } },
    "mount of / on /host",
  ],
  [
    "a capability",
    { spec: { ...usual, process: { ...usual.process, capabilities: { bounding: ["CAP_SYS_ADMIN"] } } } },
    "capability CAP_SYS_ADMIN",
  ],
  ["a runtime by its path", { runtime: "/tmp/evil" }, "runtime /tmp/evil"],
  [
    "a runtime that hides its path",
    { runtime: "io.containerd.../../tmp/evil.v2" },
    "runtime io.containerd.../../tmp/evil.v2",
  ],
  ["a runc of its own", { options: runc({ binaryName: "/tmp/evil" }) }, "runc binary /tmp/evil"],
  ["a directory for runc's state", { options: runc({ root: "/etc" }) }, "runc root /etc"],
  [
    "options of an unknown kind",
    { options: { typeUrl: "evil.Options", value: new Uint8Array([8, 1]) } },
    "runtime options evil.Options",
  ],
])("R19: a checkpoint that asks for %s is refused, and nothing is made", async (_what, forged, why) => {
  const name = await forge(forged);
  const before = await state();
  const { code, stdout, stderr } = await bench.now.ctr(["containers", "restore", "victim", name]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(`it asks for more than a plain container has: ${why}`);
  expect(stderr).toEndWith("add --trust\n");
  expect(await state()).toEqual(before);
});

test("R19: annotations of a checkpoint reach no container, and it is said which were left out", async () => {
  const { ctr, line } = bench.now;
  const annotations = { "cdi.k8s.io/gpu": "nvidia.com/gpu=all" };
  const name = await forge({ spec: { ...usual, annotations } });
  const { code, stderr } = await ctr(["containers", "restore", "bare", name]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/level=warning msg="annotations of the checkpoint are left out" keys=cdi.k8s.io\/gpu\n$/);
  expect(await line(["containers", "info", "bare"])).not.toContain("cdi.k8s.io");
  await ctr(["tasks", "rm", "-f", "bare"]);
  await line(["containers", "rm", "bare"]);
});

test("R19: what older daemons act on and newer ones dropped from runc's options is not passed on", async () => {
  const { ctr, line } = bench.now;
  const options = runc({ binaryName: "runc" });
  // Field 8, criu_path: a program that 1.6 would run as root.
  const criuPath = Buffer.concat([Buffer.from([0x42, 9]), Buffer.from("/tmp/evil")]);
  const name = await forge({ options: { ...options, value: Buffer.concat([options.value, criuPath]) } });
  expect((await ctr(["containers", "restore", "clean", name])).code).toBe(0);
  const { Runtime } = JSON.parse(await line(["containers", "info", "clean"]));
  expect(Buffer.from(Runtime.Options.value, "base64").toString("latin1")).not.toContain("evil");
  await ctr(["tasks", "rm", "-f", "clean"]);
  await line(["containers", "rm", "clean"]);
});

test("R19: restoring makes no image and moves no name, fetched or not", async () => {
  const { ctr, line } = bench.now;
  const name = await forge({ name: "docker.io/library/trap:1" });
  const before = await line(["images", "ls"]);
  expect(await ctr(["containers", "restore", "tagless", name])).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(await line(["images", "ls"])).toBe(before);
  await ctr(["tasks", "rm", "-f", "tagless"]);
  await line(["containers", "rm", "tagless"]);
});

test.each([
  ["a symbolic link", "ln -s /etc/shadow container.log", "container.log", "it is a symbolic link"],
  ["a hard link", "echo x >a; ln a b", "b", "it is a hard link"],
  ["a device", "mknod null c 1 3", "null", "it is a device, FIFO or something unknown"],
  ["a FIFO", "mkfifo pipe", "pipe", "it is a device, FIFO or something unknown"],
  ["a directory", "mkdir below", "below/", "it is a directory"],
  ["a whiteout", "echo x >.wh..wh..opq", ".wh..wh..opq", "its name is no plain file name"],
])("R19: a dump with %s is not handed to the daemon", async (_what, make, member, why) => {
  const dir = join(bench.now.daemon.dir, `dump-${member.replaceAll("/", "")}`);
  const pack = `find . -mindepth 1 -printf '%P\\n' | sort | tar --no-recursion -cf ${dir}.tar -T -`;
  await mustRun(["sh", "-c", `mkdir ${dir} && cd ${dir} && ${make} && ${pack}`]);
  const dump = await Bun.file(`${dir}.tar`).bytes();
  const name = await forge({ dump });
  const before = await state();
  const { code, stderr } = await bench.now.ctr(["containers", "restore", "--live", "--trust", "victim", name]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    new RegExp(`^ctr: cannot restore dump \\(digest ${digestOf(dump)}, member ${member}\\): ${why}, `),
  );
  expect(await state()).toEqual(before);
});

test("R19: a dump with a path is not handed to the daemon", async () => {
  const { dir } = bench.now.daemon;
  await mustRun(["sh", "-c", `cd ${dir} && echo x >out && tar -P -cf path.tar --transform 's|out|../../out|' out`]);
  const name = await forge({ dump: await Bun.file(join(dir, "path.tar")).bytes() });
  const { code, stderr } = await bench.now.ctr(["containers", "restore", "--live", "victim", name]);
  expect(code).toBe(1);
  expect(stderr).toContain("member ../../out): its name is no plain file name");
});

test("--trust: the user's own word takes the checkpoint as it is", async () => {
  const { ctr, line, daemon } = bench.now;
  const mark = join(daemon.dir, "hooked");
  const hooks = { createRuntime: [{ path: "/bin/touch", args: ["touch", mark] }] };
  const name = await forge({ spec: { ...usual, hooks, annotations: { a: "b" } } });
  expect(await ctr(["containers", "restore", "--trust", "mine", name])).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(existsSync(mark)).toBe(true);
  expect(JSON.parse(await line(["containers", "info", "mine"])).Spec.annotations).toEqual({ a: "b" });
  await ctr(["tasks", "rm", "-f", "mine"]);
  await line(["containers", "rm", "mine"]);
});

test("containers restore --live with the real runc, where there is no criu: the error names it, and nothing is left", async () => {
  const dir = join(bench.now.daemon.dir, "image");
  await mustRun([
    "sh",
    "-c",
    `mkdir ${dir} && echo dump >${dir}/core-1.img && tar -C ${dir} -cf ${dir}.tar core-1.img`,
  ]);
  const name = await forge({ dump: await Bun.file(`${dir}.tar`).bytes() });
  const before = await state();
  const { code, stderr } = await bench.now.ctr(["containers", "restore", "--live", "lively", name]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ctr: .*criu.*\nhint: checkpoints need criu/i);
  expect(await state()).toEqual(before);
});
