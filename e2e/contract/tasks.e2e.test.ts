import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeAny, encodeJsonAny, protobufAny, services, taskTypes } from "@ctr/api";
import { type CallOptions, createClient } from "@ctr/rpc";
import { dumpedFiles, makeFakeCriu } from "../support/fake-criu.ts";
import { mustRun } from "../support/process.ts";
import { clientsOf, codeOf, describeContract, gather, type Stage, underLease } from "./subjects.ts";

const SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process";
const { CREATED, PAUSED, RUNNING, STOPPED } = taskTypes.Status;
const SIGKILL = 9;
const DUMP = "application/vnd.containerd.container.criu.checkpoint.criu.tar";
const DUMPED_SPEC = "application/vnd.containerd.container.checkpoint.config.v1+proto";
const NO_STDIO = { stdin: "", stdout: "", stderr: "" };
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-contract-tasks-"));
  const bin = join(dir, "rootfs/bin");
  await mkdir(bin, { recursive: true });
  for (const name of ["proc", "dev"]) await mkdir(join(dir, "rootfs", name));
  await copyFile("/bin/busybox", join(bin, "busybox"));
  for (const name of ["sh", "sleep", "true"]) await symlink("busybox", join(bin, name));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const process_ = (args: readonly string[]) => ({
  user: { uid: 0, gid: 0 },
  args,
  env: ["PATH=/bin"],
  cwd: "/",
});

interface CreateOver {
  /** Another runc. */
  readonly runc?: string;
  readonly checkpoint?: { readonly mediaType: string; readonly digest: string; readonly size: bigint };
}

async function setUp(stage: Stage) {
  const clients = await clientsOf(stage.channel);
  const options = await underLease(stage, clients);
  const tasks = createClient(await services.tasks(), stage.channel);
  /** A container, and a task of it that is created. */
  const create = async (id: string, args: readonly string[], over: CreateOver = {}) => {
    const namespaces = ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type }));
    const mounts = [{ destination: "/proc", type: "proc", source: "proc" }];
    const linux = { namespaces, cgroupsPath: `/ctr-contract/${crypto.randomUUID()}`, resources: {} };
    const spec = { ociVersion: "1.0.2", process: process_(args), root: { path: join(dir, "rootfs") }, mounts, linux };
    const binary =
      over.runc === undefined ? {} : { options: encodeAny("containerd.runc.v1.Options", { binaryName: over.runc }) };
    const container = { id, runtime: { name: "io.containerd.runc.v2", ...binary }, spec: encodeJsonAny(SPEC, spec) };
    await clients.containers.create({ container }, options);
    const { checkpoint } = over;
    return (
      await tasks.create({ containerId: id, ...NO_STDIO, ...(checkpoint === undefined ? {} : { checkpoint }) }, options)
    ).pid;
  };
  const statusOf = async (containerId: string, call: CallOptions = options) =>
    (await tasks.get({ containerId }, call)).process?.status;
  return { clients, options, tasks, create, statusOf };
}

describeContract("tasks", (stage) => {
  test("a task that is not there, and one whose container is not", async () => {
    const { options, tasks } = await setUp(stage);
    const containerId = "nope";
    const calls = {
      get: () => tasks.get({ containerId }, options),
      start: () => tasks.start({ containerId }, options),
      delete: () => tasks.delete({ containerId }, options),
      kill: () => tasks.kill({ containerId, signal: SIGKILL }, options),
      wait: () => tasks.wait({ containerId }, options),
      pause: () => tasks.pause({ containerId }, options),
      listPids: () => tasks.listPids({ containerId }, options),
      create: () => tasks.create({ containerId, ...NO_STDIO }, options),
    };
    for (const [name, call] of Object.entries(calls)) expect([name, await codeOf(call())]).toEqual([name, "not_found"]);
    expect((await tasks.list({}, options)).tasks).toEqual([]);
  });

  test("from created by way of running to stopped, with an exit code that lasts until it is deleted", async () => {
    const { options, tasks, create, statusOf } = await setUp(stage);
    const containerId = "life";
    const pid = await create(containerId, ["sh", "-c", "exit 7"]);
    expect(pid).toBeGreaterThan(1);
    expect(await statusOf(containerId)).toBe(CREATED);
    expect(await codeOf(tasks.create({ containerId, ...NO_STDIO }, options))).toBe("already_exists");
    const waiting = tasks.wait({ containerId }, options);
    expect((await tasks.start({ containerId }, options)).pid).toBe(pid);
    expect((await waiting).exitStatus).toBe(7);
    const { process } = await tasks.get({ containerId }, options);
    expect(process).toMatchObject({ status: STOPPED, exitStatus: 7 });
    expect((await tasks.wait({ containerId }, options)).exitStatus).toBe(7);
    expect(await tasks.delete({ containerId }, options)).toMatchObject({ exitStatus: 7, pid });
    expect(await codeOf(tasks.delete({ containerId }, options))).toBe("not_found");
  });

  test("a running one is paused, resumed, listed, killed, and not deleted while it runs", async () => {
    const { options, tasks, create, statusOf } = await setUp(stage);
    const containerId = "run";
    const pid = await create(containerId, ["sleep", "1000"]);
    await tasks.start({ containerId }, options);
    expect(await statusOf(containerId)).toBe(RUNNING);
    // The shim gives this error no class.
    expect(await codeOf(tasks.delete({ containerId }, options))).toBe("unknown");
    await tasks.pause({ containerId }, options);
    expect(await statusOf(containerId)).toBe(PAUSED);
    await tasks.resume({ containerId }, options);
    expect(await statusOf(containerId)).toBe(RUNNING);
    expect((await tasks.listPids({ containerId }, options)).processes.map((each) => each.pid)).toEqual([pid]);
    expect((await tasks.list({}, options)).tasks.map(({ id, status }) => [id, status])).toEqual([
      [containerId, RUNNING],
    ]);
    expect((await tasks.metrics({ filters: [`id==${containerId}`] }, options)).metrics).toHaveLength(1);
    const waiting = tasks.wait({ containerId }, options);
    await tasks.kill({ containerId, signal: SIGKILL }, options);
    expect((await waiting).exitStatus).toBe(137);
    await tasks.delete({ containerId }, options);
  });

  test("a dump without a directory is stored, with the spec, and a task is restored from it", async () => {
    const { clients, options, tasks, create, statusOf } = await setUp(stage);
    const pages = "deeper/pages-1.img";
    const { runc, restored } = await makeFakeCriu(await mkdtemp(join(dir, "criu-")), pages);
    await create("dumped", ["sleep", "1000"], { runc });
    await tasks.start({ containerId: "dumped" }, options);
    const { descriptors } = await tasks.checkpoint({ containerId: "dumped" }, options);
    expect(descriptors.map(({ mediaType }) => mediaType)).toEqual([DUMP, DUMPED_SPEC]);
    const [dump, spec] = descriptors;
    if (dump === undefined || spec === undefined) throw new Error("there are not two descriptors");
    const read = async ({ digest, size }: typeof dump) => {
      const chunks = (await gather(clients.content.read({ digest }, options))).map(({ data }) => data);
      const bytes = Buffer.concat(chunks);
      expect(BigInt(bytes.byteLength)).toBe(size);
      return bytes;
    };
    const archive = join(dir, `${crypto.randomUUID()}.tar`);
    await writeFile(archive, await read(dump));
    const names = (await mustRun(["tar", "-tf", archive])).split("\n").filter((name) => /img$/.test(name));
    expect(names.map((name) => name.replace(/^\.?\//, ""))).toEqual(["core-1.img", pages]);
    const { container } = await clients.containers.get({ id: "dumped" }, options);
    expect(protobufAny.Any.decode(await read(spec))).toEqual(container?.spec ?? protobufAny.Any.fromPartial({}));

    expect(await codeOf(create("wrong", ["true"], { checkpoint: spec }))).not.toBe("ok");
    // It has no process before it is started.
    expect(await create("again", ["sleep", "1000"], { runc, checkpoint: dump })).toBe(0);
    expect(await statusOf("again")).toBe(CREATED);
    const ended = tasks.wait({ containerId: "again" }, options);
    const { pid } = await tasks.start({ containerId: "again" }, options);
    expect((await tasks.get({ containerId: "again" }, options)).process).toMatchObject({ pid, status: RUNNING });
    expect(await restored()).toEqual(dumpedFiles(pages));
    for (const containerId of ["dumped", "again"]) {
      await tasks.kill({ containerId, signal: SIGKILL }, options);
      expect((await tasks.wait({ containerId }, options)).exitStatus).toBe(137);
    }
    expect((await ended).exitStatus).toBe(137);
    expect(await tasks.delete({ containerId: "again" }, options)).toMatchObject({ exitStatus: 137, pid });
    await tasks.delete({ containerId: "dumped" }, options);
    await create("unborn", ["sleep", "1000"], { runc, checkpoint: dump });
    await tasks.delete({ containerId: "unborn" }, options);
    expect((await tasks.list({}, options)).tasks).toEqual([]);
  });

  test("a further process has an id, an exit and a deletion of its own", async () => {
    const { options, tasks, create } = await setUp(stage);
    const containerId = "with-exec";
    await create(containerId, ["sleep", "1000"]);
    await tasks.start({ containerId }, options);
    const exec = (execId: string) =>
      tasks.exec(
        { containerId, execId, ...NO_STDIO, spec: encodeJsonAny(PROCESS, process_(["sh", "-c", "exit 3"])) },
        options,
      );
    await exec("e");
    expect(await codeOf(exec("e"))).toBe("already_exists");
    expect(await codeOf(exec(""))).toBe("invalid_argument");
    const waiting = tasks.wait({ containerId, execId: "e" }, options);
    await tasks.start({ containerId, execId: "e" }, options);
    expect((await waiting).exitStatus).toBe(3);
    expect(await tasks.deleteProcess({ containerId, execId: "e" }, options)).toMatchObject({ id: "e", exitStatus: 3 });
    expect(await codeOf(tasks.deleteProcess({ containerId, execId: "e" }, options))).toBe("not_found");
    const gone = tasks.wait({ containerId }, options);
    await tasks.kill({ containerId, signal: SIGKILL, all: true }, options);
    await gone;
    await tasks.delete({ containerId }, options);
  });

  test("another namespace sees nothing of it", async () => {
    const { options, tasks, create } = await setUp(stage);
    await create("hidden", ["true"]);
    const { options: elsewhere } = await setUp(stage);
    expect(await codeOf(tasks.get({ containerId: "hidden" }, elsewhere))).toBe("not_found");
    expect((await tasks.list({}, elsewhere)).tasks).toEqual([]);
    const gone = tasks.wait({ containerId: "hidden" }, options);
    await tasks.kill({ containerId: "hidden", signal: SIGKILL }, options);
    await gone;
    await tasks.delete({ containerId: "hidden" }, options);
  });
});
