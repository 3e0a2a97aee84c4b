import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { services, taskTypes } from "@ctr/api";
import { type CallOptions, createClient } from "@ctr/rpc";
import { writeFakeShim } from "../support/fake-shim.ts";
import { clientsOf, codeOf, describeContract, engineSubjects, inNamespace, type Stage } from "./subjects.ts";

/** A shim that has the sandbox API: Debian's has not, and Kata's takes a virtual machine. */
let dir: string;
let shim: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-sandboxes-"));
  shim = await writeFakeShim(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const SHIM = { sandboxer: "shim" };

async function open(stage: Stage) {
  const options = inNamespace(stage.newNamespace());
  const controller = createClient(await services.sandboxController(), stage.channel);
  const store = createClient(await services.sandboxStore(), stage.channel);
  const tasks = createClient(await services.tasks(), stage.channel);
  const named = (sandboxId: string) => ({ sandboxId, ...SHIM });
  return {
    ...{ controller, store, tasks, options, named, clients: await clientsOf(stage.channel) },
    /** Makes a sandbox of the fake shim's, and starts it; gives where it answers. */
    async run(id: string) {
      const sandbox = { sandboxId: id, runtime: { name: shim }, ...SHIM };
      await store.create({ sandbox }, options);
      await controller.create({ ...named(id), sandbox }, options);
      return await controller.start(named(id), options);
    },
  };
}

/** The bundle of a sandbox, by the shim that runs in it. */
const bundleOf = (pid: number) => readlink(`/proc/${pid}/cwd`);
/** A zombie has no command line any more: not every host's first process takes the dead away. */
const isRunning = async (pid: number) => (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")) !== "";

/** The topics told of a sandbox until `last`. */
async function topicsUntil(stage: Stage, id: string, last: string, options: CallOptions) {
  const { events } = await clientsOf(stage.channel);
  const topics: string[] = [];
  for await (const { topic } of events.subscribe({ filters: [`event.sandbox_id==${id}`] }, options)) {
    topics.push(topic);
    if (topic === last) break;
  }
  return topics;
}

describeContract(
  "sandbox controller",
  (stage) => {
    test("a sandbox is made, started, looked at, stopped and shut down by its shim", async () => {
      const { controller, store, options, named } = await open(stage);
      const told = topicsUntil(stage, "sb", "/sandboxes/exit", options);
      const sandbox = { sandboxId: "sb", runtime: { name: shim }, ...SHIM };
      await store.create({ sandbox }, options);
      const request = { ...named("sb"), netnsPath: "/run/netns/x", annotations: { a: "b" } };
      expect(await controller.create(request, options)).toEqual({ sandboxId: "sb" });
      const started = await controller.start(named("sb"), options);
      expect(started).toMatchObject({ sandboxId: "sb", createdAt: { seconds: 1_600_000_000n }, version: 3 });
      expect(started.address).toMatch(/^ttrpc\+unix:\/\/\//);
      const bundle = await bundleOf(started.pid);
      expect(JSON.parse(await readFile(join(bundle, "sandbox.json"), "utf8"))).toEqual({
        ...{ sandboxId: "sb", bundlePath: bundle, netnsPath: "/run/netns/x", annotations: { a: "b" } },
      });
      expect((await controller.platform(named("sb"), options)).platform).toMatchObject({
        os: "linux",
        architecture: "fake",
      });
      const status = await controller.status({ ...named("sb"), verbose: true }, options);
      expect(status).toMatchObject({ state: "SANDBOX_READY", pid: started.pid, info: { fake: "yes" }, version: 3 });
      expect((await controller.status(named("sb"), options)).info).toEqual({});
      expect((await controller.metrics(named("sb"), options)).metrics?.id).toBe("sb");
      expect(await controller.update({ ...named("sb"), sandbox, fields: ["labels"] }, options)).toEqual({});

      const waiting = controller.wait(named("sb"), options);
      await controller.stop({ ...named("sb"), timeoutSecs: 7 }, options);
      expect(await waiting).toMatchObject({ exitStatus: 7, exitedAt: { seconds: 1_700_000_000n } });
      await controller.shutdown(named("sb"), options);
      expect(await isRunning(started.pid)).toBe(false);
      expect(existsSync(bundle)).toBe(false);
      expect(await codeOf(store.get({ sandboxId: "sb" }, options))).toBe("not_found");
      expect(await told).toEqual(["/sandboxes/create", "/sandboxes/start", "/sandboxes/exit"]);
    });

    test("a sandbox that does not run has stopped, and its status says that it ended", async () => {
      const { controller, options, named } = await open(stage);
      expect(await controller.stop(named("sb"), options)).toEqual({});
      expect(await controller.shutdown(named("sb"), options)).toEqual({});
      const status = await controller.status(named("sb"), options);
      expect(status.pid).toBe(0);
      expect(status.exitedAt?.seconds).toBeGreaterThan(1_700_000_000n);
      for (const call of [controller.start, controller.platform, controller.wait, controller.metrics]) {
        expect(await codeOf(call(named("sb"), options))).toBe("not_found");
      }
    });

    test("a controller must be named, and be there; and so must what is to be made", async () => {
      const { controller, options, named } = await open(stage);
      expect(await codeOf(controller.stop({ sandboxId: "sb" }, options))).toBe("invalid_argument");
      expect(await codeOf(controller.stop({ sandboxId: "sb", sandboxer: "podsandbox" }, options))).toBe("not_found");
      expect(await codeOf(controller.create(named("sb"), options))).toBe("invalid_argument");
      const sandbox = { sandboxId: "a/b", runtime: { name: shim }, ...SHIM };
      expect(await codeOf(controller.create({ ...named("a/b"), sandbox }, options))).toBe("invalid_argument");
      expect(await codeOf(controller.update(named("sb"), options))).toBe("invalid_argument");
    });

    test("a second one of an id is refused while the first runs", async () => {
      const { controller, options, named, run } = await open(stage);
      const { pid } = await run("sb");
      const sandbox = { sandboxId: "sb", runtime: { name: shim }, ...SHIM };
      expect(await codeOf(controller.create({ ...named("sb"), sandbox }, options))).toBe("already_exists");
      expect(await isRunning(pid)).toBe(true);
      await controller.shutdown(named("sb"), options);
    });

    test("what a shim refuses leaves nothing", async () => {
      const { controller, options, named } = await open(stage);
      const sandbox = { sandboxId: "sb", runtime: { name: shim }, ...SHIM };
      const refused = controller.create({ ...named("sb"), sandbox, annotations: { refuse: "1" } }, options);
      await expect(refused).rejects.toThrow(/^failed to create sandbox sb: the fake was told to refuse/);
      expect((await controller.status(named("sb"), options)).pid).toBe(0);
      await controller.create({ ...named("sb"), sandbox }, options);
      await controller.shutdown(named("sb"), options);
    });

    test("a shim without the sandbox API is named, and ends", async () => {
      const { controller, options, named } = await open(stage);
      const sandbox = { sandboxId: "sb", runtime: { name: "io.containerd.runc.v2" }, ...SHIM };
      const refused = controller.create({ ...named("sb"), sandbox }, options);
      await expect(refused).rejects.toMatchObject({
        code: "unimplemented",
        message: expect.stringMatching(
          /^failed to create sandbox sb \(shim \S+containerd-shim-runc-v2\): the shim has no sandbox API/,
        ),
      });
      expect((await Bun.$`ps -eo args`.text()).split("\n").filter((line) => line.includes("-id sb "))).toEqual([]);
    });

    test("a sandbox whose shim is killed has ended, for who waits and who asks, and its id is free", async () => {
      const { controller, options, named, run } = await open(stage);
      const { pid } = await run("sb");
      const bundle = await bundleOf(pid);
      const waiting = controller.wait(named("sb"), options);
      await controller.status(named("sb"), options);
      process.kill(pid, "SIGKILL");
      expect((await waiting).exitStatus).toBe(137);
      expect((await controller.status(named("sb"), options)).pid).toBe(0);
      expect(existsSync(bundle)).toBe(false);
      const sandbox = { sandboxId: "sb", runtime: { name: shim }, ...SHIM };
      await controller.create({ ...named("sb"), sandbox }, options);
      await controller.shutdown(named("sb"), options);
    });

    test("the task of a container in a sandbox runs in its shim, which outlives the task", async () => {
      const { controller, tasks, options, named, run, clients } = await open(stage);
      const started = await run("sb");
      const spec = { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value: Buffer.from("{}") };
      const container = (id: string, sandbox: string) => ({ id, runtime: { name: shim }, spec, sandbox });
      for (const [id, sandbox] of [
        ["c1", "sb"],
        ["c2", "sb"],
        ["alone", ""],
        ["lost", "nosuch"],
      ] as const) {
        await clients.containers.create({ container: container(id, sandbox) }, options);
      }
      for (const containerId of ["c1", "c2"]) {
        expect((await tasks.create({ containerId }, options)).pid).toBe(started.pid);
        await tasks.start({ containerId }, options);
      }
      const alone = await tasks.create({ containerId: "alone" }, options);
      expect(alone.pid).not.toBe(started.pid);
      expect(await codeOf(tasks.create({ containerId: "lost" }, options))).toBe("not_found");
      // A client that knows where says so itself.
      await tasks.create({ containerId: "lost", taskApiAddress: started.address, taskApiVersion: 3 }, options);
      for (const containerId of ["c1", "lost", "alone"]) {
        await tasks.kill({ containerId, signal: 9 }, options);
        expect((await tasks.wait({ containerId }, options)).exitStatus).toBe(137);
        await tasks.delete({ containerId }, options);
      }
      expect(await isRunning(alone.pid)).toBe(false);
      expect(await isRunning(started.pid)).toBe(true);
      const { process: second } = await tasks.get({ containerId: "c2" }, options);
      expect(second?.status).toBe(taskTypes.Status.RUNNING);
      // With its sandbox gone, the last task takes the shim along.
      await controller.shutdown(named("sb"), options);
      await tasks.kill({ containerId: "c2", signal: 9 }, options);
      await tasks.delete({ containerId: "c2" }, options);
      expect(await isRunning(started.pid)).toBe(false);
    });
  },
  engineSubjects,
);
