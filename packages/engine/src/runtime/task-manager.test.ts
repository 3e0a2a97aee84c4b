import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeAnyAs, encodeJsonAny, type protobufAny, taskTypes } from "@ctr/api";
import { listMounts } from "@ctr/sys";
import {
  canRunContainers,
  inNamespace,
  openTestTasks,
  TEST_NAMESPACE,
  type TestEngine,
  type TestTasks,
} from "../testing/test-tasks.ts";
import { shimCgroups } from "./shim-host.ts";
import { eventsSocket, taskPaths } from "./task-paths.ts";

const SIGKILL = 9;
const PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process";
const NOTHING = { bundle: false, mounts: 0, rows: 0, runc: false };

function leftovers(tasks: TestTasks, id: string) {
  return {
    bundle: existsSync(taskPaths(tasks.store, TEST_NAMESPACE, id).bundle),
    mounts: listMounts().filter((mount) => mount.mountPoint.startsWith(tasks.dir)).length,
    rows: tasks.store.db.read((tx) => tx.all("SELECT 1 FROM tasks")).length,
    runc: existsSync(join(tasks.store.state, "runc", TEST_NAMESPACE, id)),
  };
}

function journal({ store }: TestEngine) {
  type Row = { readonly topic: string; readonly type_url: string; readonly value: Uint8Array };
  return store.db.read((tx) => tx.all<Row>("SELECT topic, type_url, value FROM events ORDER BY seq"));
}

const topics = (tasks: TestEngine) => journal(tasks).map((row) => row.topic);

function exits(tasks: TestEngine) {
  const decode = (any: protobufAny.Any) => decodeAnyAs(any, "containerd.events.TaskExit");
  return journal(tasks).flatMap((row) => decode({ typeUrl: row.type_url, value: row.value }) ?? []);
}

async function shimPid(tasks: TestEngine, id: string): Promise<number> {
  const key = { namespace: TEST_NAMESPACE, id };
  return (await tasks.manager.call(key, inNamespace, (task, options) => task.connect({ id }, options))).shimPid;
}

/**
 * Stops a process, and resolves when all its threads have: the one that takes the signal stops the others, and until it
 * gets to run they go on and may answer.
 */
async function stop(pid: number): Promise<void> {
  const isStopped = (thread: string) =>
    /^State:\s+[TZX]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"));
  process.kill(pid, "SIGSTOP");
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when a process has ended; as a zombie it has, too: who inherits it decides when it is reaped. */
async function ended(pid: number): Promise<void> {
  const runs = () => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      // Gone, perhaps while its file was read.
      return false;
    }
  };
  while (runs()) await new Promise((resolve) => setImmediate(resolve));
}

async function startTask({ client }: TestEngine, containerId: string): Promise<number> {
  await client.create({ containerId }, inNamespace);
  return (await client.start({ containerId }, inNamespace)).pid;
}

async function killAndDelete({ client }: TestEngine, containerId: string) {
  const gone = client.wait({ containerId }, inNamespace);
  await client.kill({ containerId, signal: SIGKILL, all: true }, inNamespace);
  await gone;
  return await client.delete({ containerId }, inNamespace);
}

describe.if(canRunContainers())("tasks on the runc shim", () => {
  test("a task is created, started, waited for and deleted, and leaves nothing", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("one", ["sh", "-c", "exit 7"]);
    const { pid } = await tasks.client.create({ containerId: "one" }, inNamespace);
    const before = await tasks.client.get({ containerId: "one" }, inNamespace);
    expect(before.process).toMatchObject({ id: "one", containerId: "", status: taskTypes.Status.CREATED, pid });
    // Not the shim's own default, which a containerd beside us uses too.
    expect(leftovers(tasks, "one")).toEqual({ bundle: true, mounts: 0, rows: 1, runc: true });
    const waiting = tasks.client.wait({ containerId: "one" }, inNamespace);
    expect(await tasks.client.start({ containerId: "one" }, inNamespace)).toEqual({ pid });
    expect(await waiting).toMatchObject({ exitStatus: 7 });
    const shim = await shimPid(tasks, "one");
    const gone = await tasks.client.delete({ containerId: "one" }, inNamespace);
    expect(gone).toMatchObject({ id: "", exitStatus: 7, pid });
    await ended(shim);
    expect(leftovers(tasks, "one")).toEqual(NOTHING);
    const late = tasks.client.get({ containerId: "one" }, inNamespace);
    await expect(late).rejects.toMatchObject({ code: "not_found", message: "task one not found" });
    await tasks.manager[Symbol.asyncDispose]();
    expect(topics(tasks)).toEqual(["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]);
  });

  test("an exec runs beside the task, with its own exit and its own delete", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("ex", ["sleep", "1000"]);
    const containerId = "ex";
    await startTask(tasks, containerId);
    const spec = encodeJsonAny(PROCESS, {
      args: ["sh", "-c", "exit 3"],
      cwd: "/",
      env: ["PATH=/bin"],
      user: { uid: 0, gid: 0 },
    });
    const exec = { containerId, execId: "e1" };
    await tasks.client.exec({ ...exec, spec }, inNamespace);
    await expect(tasks.client.exec({ ...exec, spec }, inNamespace)).rejects.toMatchObject({ code: "already_exists" });
    const waiting = tasks.client.wait(exec, inNamespace);
    const { pid } = await tasks.client.start(exec, inNamespace);
    expect(await waiting).toMatchObject({ exitStatus: 3 });
    const state = await tasks.client.get(exec, inNamespace);
    expect(state.process).toMatchObject({ id: "e1", status: taskTypes.Status.STOPPED, exitStatus: 3 });
    expect(await tasks.client.deleteProcess(exec, inNamespace)).toMatchObject({ id: "e1", pid, exitStatus: 3 });
    await expect(tasks.client.get(exec, inNamespace)).rejects.toMatchObject({ code: "not_found" });
    await killAndDelete(tasks, containerId);
    await tasks.manager[Symbol.asyncDispose]();
    expect(exits(tasks).map(({ id, exitStatus }) => [id, exitStatus])).toEqual([
      ["e1", 3],
      ["ex", 137],
    ]);
    expect(topics(tasks)).toContain("/tasks/exec-added");
    expect(topics(tasks)).toContain("/tasks/exec-started");
  });

  test("a task is paused, resumed, measured, listed and killed", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("run", ["sleep", "1000"]);
    const containerId = "run";
    const pid = await startTask(tasks, containerId);
    const status = async () => (await tasks.client.get({ containerId }, inNamespace)).process?.status;
    await tasks.client.pause({ containerId }, inNamespace);
    expect(await status()).toBe(taskTypes.Status.PAUSED);
    await tasks.client.resume({ containerId }, inNamespace);
    expect(await status()).toBe(taskTypes.Status.RUNNING);
    const { processes } = await tasks.client.listPids({ containerId }, inNamespace);
    expect(processes.map((each) => each.pid)).toEqual([pid]);
    const { metrics } = await tasks.client.metrics({ filters: ["id==run"] }, inNamespace);
    expect(metrics).toMatchObject([
      { id: "run", data: { typeUrl: expect.stringMatching(/^io\.containerd\.cgroups\.v[12]\.Metrics$/) } },
    ]);
    expect((await tasks.client.metrics({ filters: ["id==other"] }, inNamespace)).metrics).toEqual([]);
    expect((await tasks.client.list({}, inNamespace)).tasks).toMatchObject([{ id: "run", pid }]);
    await expect(tasks.client.delete({ containerId }, inNamespace)).rejects.toThrow(/running/);
    expect(await killAndDelete(tasks, containerId)).toMatchObject({ exitStatus: 137 });
    await tasks.manager[Symbol.asyncDispose]();
    expect(topics(tasks)).toEqual(
      ["create", "start", "paused", "resumed", "exit", "delete"].map((name) => `/tasks/${name}`),
    );
  });

  test("a created task that never was started can be deleted", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("idle", ["true"]);
    await tasks.client.create({ containerId: "idle" }, inNamespace);
    await expect(tasks.client.create({ containerId: "idle" }, inNamespace)).rejects.toMatchObject({
      code: "already_exists",
      message: "task idle: already exists",
    });
    await tasks.client.delete({ containerId: "idle" }, inNamespace);
    expect(leftovers(tasks, "idle")).toEqual(NOTHING);
  });

  test("a create that fails leaves nothing, and says what runc said", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("bad", ["/no/such/program"]);
    await expect(tasks.client.create({ containerId: "bad" }, inNamespace)).rejects.toThrow(/no such file|not found/);
    expect(leftovers(tasks, "bad")).toEqual(NOTHING);
  });

  test("stdout without stderr fails the create, and leaves nothing", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("io", ["true"]);
    const stdout = join(tasks.dir, "out");
    writeFileSync(stdout, "");
    await expect(tasks.client.create({ containerId: "io", stdout }, inNamespace)).rejects.toThrow(/no such file/);
    expect(leftovers(tasks, "io")).toEqual(NOTHING);
  });

  test("stdin without any output is refused rather than waited for", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("in", ["cat"]);
    const create = tasks.client.create({ containerId: "in", stdin: "/dev/null" }, inNamespace);
    await expect(create).rejects.toMatchObject({ code: "invalid_argument" });
    expect(leftovers(tasks, "in")).toEqual(NOTHING);
  });

  test("output goes to a file, and the shim runs with the caller's environment but for ours", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("log", ["echo", "hello"]);
    const log = join(tasks.dir, "log/out.txt");
    const containerId = "log";
    process.env["BUN_CTR_TEST"] = "1";
    await tasks.client.create({ containerId, stdout: `file://${log}`, stderr: `file://${log}` }, inNamespace);
    delete process.env["BUN_CTR_TEST"];
    const environment = readFileSync(`/proc/${await shimPid(tasks, containerId)}/environ`, "latin1");
    expect(environment).not.toMatch(/(?:^|\0)(?:BUN|NODE)_/);
    expect(environment).toContain(`TTRPC_ADDRESS=${eventsSocket(tasks.store)}`);
    const waiting = tasks.client.wait({ containerId }, inNamespace);
    await tasks.client.start({ containerId }, inNamespace);
    await waiting;
    await tasks.client.delete({ containerId }, inNamespace);
    expect(readFileSync(log, "utf8")).toBe("hello\n");
  });

  test("containers, tasks and options that are not there or not right are refused as containerd does", async () => {
    await using tasks = openTestTasks();
    const { client } = tasks;
    await expect(client.get({ containerId: "no" }, inNamespace)).rejects.toMatchObject({
      code: "not_found",
      message: "container no: not found",
    });
    tasks.addContainer("c", ["true"]);
    await expect(client.wait({ containerId: "c" }, inNamespace)).rejects.toMatchObject({
      code: "not_found",
      message: "task c not found",
    });
    await expect(client.exec({ containerId: "c" }, inNamespace)).rejects.toMatchObject({ code: "invalid_argument" });
    const options = { typeUrl: "some.other.Options", value: Uint8Array.of(8, 1) };
    await expect(client.create({ containerId: "c", options }, inNamespace)).rejects.toThrow(
      /invalid task create option/,
    );
    await expect(
      client.create({ containerId: "c", runtimePath: "io.containerd.nope.v1" }, inNamespace),
    ).rejects.toThrow(/not installed/);
    await expect(client.create({ containerId: "c" }, { signal: inNamespace.signal })).rejects.toMatchObject({
      code: "failed_precondition",
    });
    expect(leftovers(tasks, "c")).toEqual(NOTHING);
  });
});

/** Runs a task from a process of its own, which kills itself once the task runs. */
async function runElsewhere(tasks: TestTasks, id: string, args: readonly string[]): Promise<number> {
  const program = join(import.meta.dir, "../testing/run-task-program.ts");
  const child = Bun.spawn([process.execPath, program, tasks.dir, id, ...args], { stdout: "pipe", stderr: "inherit" });
  const pid = Number(await new Response(child.stdout).text());
  await child.exited;
  tasks.addContainer(id, args);
  return pid;
}

describe.if(canRunContainers())("tasks that outlive their engine", () => {
  test("S1: a task started by a process that was killed is found again", async () => {
    await using tasks = openTestTasks();
    const pid = await runElsewhere(tasks, "far", ["sleep", "1000"]);
    const { process: found } = await tasks.client.get({ containerId: "far" }, inNamespace);
    expect(found).toMatchObject({ id: "far", pid, status: taskTypes.Status.RUNNING });
    const shim = await shimPid(tasks, "far");
    if (shimCgroups().length > 0) expect(readFileSync(`/proc/${shim}/cgroup`, "utf8")).toContain("/ctr-shims");
    expect(await killAndDelete(tasks, "far")).toMatchObject({ exitStatus: 137, pid });
    expect(leftovers(tasks, "far")).toEqual(NOTHING);
  });

  test.each([[30], [50], [60], [70], [80], [100], [120]])(
    "S1: an engine killed %d ms into a task's life is followed by one that works",
    async (ms) => {
      await using tasks = openTestTasks();
      const program = join(import.meta.dir, "../testing/run-task-program.ts");
      const argv = [process.execPath, program, tasks.dir, "torn", "sleep", "1000"];
      const child = Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" });
      const timer = setTimeout(() => child.kill("SIGKILL"), ms);
      await child.exited;
      clearTimeout(timer);
      tasks.addContainer("torn", ["sleep", "1000"]);
      const { client } = tasks;
      const left = await client.get({ containerId: "torn" }, inNamespace).catch(() => undefined);
      if (left) {
        const expected: readonly taskTypes.Status[] = [taskTypes.Status.CREATED, taskTypes.Status.RUNNING];
        expect(expected).toContain(left.process?.status ?? taskTypes.Status.UNKNOWN);
        await killAndDelete(tasks, "torn");
      }
      await startTask(tasks, "torn");
      await killAndDelete(tasks, "torn");
      expect(leftovers(tasks, "torn")).toEqual(NOTHING);
      const shims = Bun.spawnSync(["pgrep", "-f", tasks.store.id]).stdout.toString().trim();
      expect(shims).toBe("");
    },
  );

  test("S2: the exit of a task while no engine lives is told once, by the next that looks", async () => {
    await using tasks = openTestTasks();
    const fifo = join(tasks.dir, "rootfs/tmp/go");
    await Bun.spawn(["mkfifo", fifo]).exited;
    const pid = await runElsewhere(tasks, "late", ["sh", "-c", "cat /tmp/go; exit 5"]);
    writeFileSync(fifo, "");
    await ended(pid);
    await tasks.manager.reconcile(inNamespace);
    await tasks.manager.reconcile(inNamespace);
    expect(await tasks.client.wait({ containerId: "late" }, inNamespace)).toMatchObject({ exitStatus: 5 });
    await tasks.client.delete({ containerId: "late" }, inNamespace);
    await tasks.manager[Symbol.asyncDispose]();
    expect(exits(tasks)).toMatchObject([{ containerId: "late", id: "late", pid, exitStatus: 5 }]);
    expect(topics(tasks).filter((topic) => topic === "/tasks/delete")).toHaveLength(1);
  });

  test("S3: a task whose shim was killed is buried, its processes with it, and whoever waits is told", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("dead", ["sleep", "1000"]);
    const containerId = "dead";
    const pid = await startTask(tasks, containerId);
    const waiting = tasks.client.wait({ containerId }, inNamespace);
    process.kill(await shimPid(tasks, containerId), "SIGKILL");
    expect(await waiting).toMatchObject({ exitStatus: 137 });
    await ended(pid);
    await expect(tasks.client.get({ containerId }, inNamespace)).rejects.toMatchObject({ code: "not_found" });
    expect(leftovers(tasks, "dead")).toEqual(NOTHING);
    await tasks.manager[Symbol.asyncDispose]();
    expect(topics(tasks).slice(-2)).toEqual(["/tasks/exit", "/tasks/delete"]);
  });

  test("an exit code that was seen survives the shim", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("seen", ["sh", "-c", "exit 9"]);
    const containerId = "seen";
    await tasks.client.create({ containerId }, inNamespace);
    const waiting = tasks.client.wait({ containerId }, inNamespace);
    await tasks.client.start({ containerId }, inNamespace);
    await waiting;
    const shim = await shimPid(tasks, containerId);
    process.kill(shim, "SIGKILL");
    await ended(shim);
    expect(await tasks.client.delete({ containerId }, inNamespace)).toMatchObject({ exitStatus: 9 });
    expect(leftovers(tasks, "seen")).toEqual(NOTHING);
  });

  test("a waiter is told how a task ended that another engine deleted", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("two", ["sleep", "1000"]);
    const other = tasks.openAnother();
    await startTask(tasks, "two");
    const waiting = other.client.wait({ containerId: "two" }, inNamespace);
    await killAndDelete(tasks, "two");
    expect(await waiting).toMatchObject({ exitStatus: 137 });
    await expect(other.client.get({ containerId: "two" }, inNamespace)).rejects.toMatchObject({ code: "not_found" });
    tasks.addContainer("two", ["sh", "-c", "exit 4"]);
    await startTask(tasks, "two");
    expect(await other.client.wait({ containerId: "two" }, inNamespace)).toMatchObject({ exitStatus: 4 });
    await other.client.delete({ containerId: "two" }, inNamespace);
  });

  test("what a killed creation left is removed by the next", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("half", ["sleep", "1000"]);
    const containerId = "half";
    await tasks.client.create({ containerId }, inNamespace);
    const shim = await shimPid(tasks, containerId);
    tasks.store.db.write((tx) => tx.run("UPDATE tasks SET pid = 0"));
    await expect(tasks.client.get({ containerId }, inNamespace)).rejects.toMatchObject({ code: "not_found" });
    const pid = await startTask(tasks, containerId);
    await ended(shim);
    expect((await tasks.client.get({ containerId }, inNamespace)).process).toMatchObject({ pid });
    await killAndDelete(tasks, containerId);
    expect(leftovers(tasks, "half")).toEqual(NOTHING);
  });

  test("reconcile() removes bundles without a row and rows without a task, and leaves the rest", async () => {
    await using tasks = openTestTasks();
    for (const id of ["norow", "half", "fine"]) tasks.addContainer(id, ["sleep", "1000"]);
    const pids = [await startTask(tasks, "norow"), await startTask(tasks, "half")];
    const pid = await startTask(tasks, "fine");
    tasks.store.db.write((tx) => {
      tx.run("DELETE FROM tasks WHERE id = 'norow'");
      tx.run("UPDATE tasks SET pid = 0 WHERE id = 'half'");
    });
    await tasks.manager.reconcile(inNamespace);
    for (const each of pids) await ended(each);
    expect(tasks.manager.ids(TEST_NAMESPACE)).toEqual(["fine"]);
    expect(leftovers(tasks, "norow").bundle || leftovers(tasks, "half").bundle).toBe(false);
    const { process: found } = await tasks.client.get({ containerId: "fine" }, inNamespace);
    expect(found).toMatchObject({ pid, status: taskTypes.Status.RUNNING });
    await killAndDelete(tasks, "fine");
    expect(leftovers(tasks, "fine")).toEqual(NOTHING);
  });

  test("a deletion that was interrupted after the shim's part is finished by the next, with the exit code", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("cut", ["sh", "-c", "exit 6"]);
    const containerId = "cut";
    await tasks.client.create({ containerId }, inNamespace);
    const waiting = tasks.client.wait({ containerId }, inNamespace);
    await tasks.client.start({ containerId }, inNamespace);
    await waiting;
    const key = { namespace: TEST_NAMESPACE, id: containerId };
    await tasks.manager.call(key, inNamespace, (task, options) => task.delete({ id: containerId }, options));
    expect(await tasks.client.delete({ containerId }, inNamespace)).toMatchObject({ exitStatus: 6 });
    expect(leftovers(tasks, containerId)).toEqual(NOTHING);
  });

  test("S3: a shim that is stopped, and so answers nothing, is not taken for dead", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("frozen", ["sleep", "1000"]);
    const containerId = "frozen";
    const pid = await startTask(tasks, containerId);
    const shim = await shimPid(tasks, containerId);
    await stop(shim);
    const state = tasks.client.get({ containerId }, inNamespace);
    await expect(state).rejects.toMatchObject({ code: "deadline_exceeded" });
    process.kill(shim, "SIGCONT");
    const { process: found } = await tasks.client.get({ containerId }, inNamespace);
    expect(found).toMatchObject({ pid, status: taskTypes.Status.RUNNING });
    await killAndDelete(tasks, containerId);
  });

  test("a bundle without a row is removed by the next creation", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("orphan", ["sleep", "1000"]);
    const pid = await startTask(tasks, "orphan");
    tasks.store.db.write((tx) => tx.run("DELETE FROM tasks"));
    await startTask(tasks, "orphan");
    await ended(pid);
    await killAndDelete(tasks, "orphan");
    expect(leftovers(tasks, "orphan")).toEqual(NOTHING);
  });

  test("a socket that refuses events, or is missing, holds up no call", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("quiet", ["sleep", "1000"]);
    await startTask(tasks, "quiet");
    await tasks.manager[Symbol.asyncDispose]();
    const path = eventsSocket(tasks.store);
    expect(existsSync(path)).toBe(true);
    renameSync(path, `${path}.away`);
    const other = tasks.openAnother();
    const began = performance.now();
    await killAndDelete(other, "quiet");
    expect(performance.now() - began).toBeLessThan(3000);
    expect(existsSync(path)).toBe(true);
    await other.manager[Symbol.asyncDispose]();
    expect(topics(other).slice(-2)).toEqual(["/tasks/exit", "/tasks/delete"]);
  });

  test("many tasks at once, created by two engines, end with nothing left", async () => {
    await using tasks = openTestTasks();
    const engines = [tasks, tasks.openAnother()];
    const ids = Array.from({ length: 8 }, (_, i) => `n${i}`);
    for (const id of ids) tasks.addContainer(id, ["sh", "-c", "exit 2"]);
    const outcomes = ids.map(async (containerId, i) => {
      const { client } = engines[i % 2] ?? tasks;
      await client.create({ containerId }, inNamespace);
      const waiting = client.wait({ containerId }, inNamespace);
      await client.start({ containerId }, inNamespace);
      const { exitStatus } = await waiting;
      await client.delete({ containerId }, inNamespace);
      return exitStatus;
    });
    expect(await Promise.all(outcomes)).toEqual(ids.map(() => 2));
    expect(ids.map((id) => leftovers(tasks, id))).toEqual(ids.map(() => NOTHING));
    for (const engine of engines) await engine.manager[Symbol.asyncDispose]();
    expect(
      exits(tasks)
        .map((exit) => exit.id)
        .sort(),
    ).toEqual(ids);
  });
});
