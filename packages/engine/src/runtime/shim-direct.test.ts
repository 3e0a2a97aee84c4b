import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canRunContainers, inNamespace, openTestTasks, type TestTasks, testSpec } from "../testing/test-tasks.ts";

/** A shim on PATH before the real one, which writes down how it is called. */
interface LoggingShim extends Disposable {
  /** The action of each call in order; "" for the shim proper. */
  actions(): readonly string[];
}

/** `refuse` is a shell command that runs where the shim proper is called for. */
function putShimOnPath(refuse = ":"): LoggingShim {
  const dir = mkdtempSync(join(tmpdir(), "ctr-direct-"));
  const [path, log, real] = [process.env["PATH"], join(dir, "log"), Bun.which("containerd-shim-runc-v2")];
  const script = `#!/bin/sh
for last; do :; done
case $last in start|delete) echo $last >>${log} ;; *) echo >>${log}; ${refuse} ;; esac
exec ${real} "$@"
`;
  writeFileSync(join(dir, "containerd-shim-runc-v2"), script);
  chmodSync(join(dir, "containerd-shim-runc-v2"), 0o755);
  process.env["PATH"] = `${dir}:${path}`;
  return {
    actions: () => readFileSync(log, "utf8").split("\n").slice(0, -1),
    [Symbol.dispose]() {
      process.env["PATH"] = path;
      rmSync(dir, { recursive: true });
    },
  };
}

async function runToEnd({ client }: TestTasks, containerId: string): Promise<number> {
  await client.create({ containerId }, inNamespace);
  const gone = client.wait({ containerId }, inNamespace);
  await client.start({ containerId }, inNamespace);
  await gone;
  return (await client.delete({ containerId }, inNamespace)).exitStatus;
}

const socketsOf = ({ store }: TestTasks) => readdirSync(join(store.state, "s"));

describe.if(canRunContainers())("a shim that is started directly", () => {
  test("serves its task without the shim's `start`, on a socket of its owner's that goes with it", async () => {
    using shim = putShimOnPath();
    await using tasks = openTestTasks();
    tasks.addContainer("one", ["sh", "-c", "exit 7"]);
    await tasks.client.create({ containerId: "one" }, inNamespace);
    const [socket = ""] = socketsOf(tasks);
    expect(statSync(join(tasks.store.state, "s", socket)).mode & 0o777).toBe(0o600);
    expect(statSync(join(tasks.store.state, "s")).mode & 0o777).toBe(0o700);
    const gone = tasks.client.wait({ containerId: "one" }, inNamespace);
    await tasks.client.start({ containerId: "one" }, inNamespace);
    await gone;
    expect((await tasks.client.delete({ containerId: "one" }, inNamespace)).exitStatus).toBe(7);
    expect(shim.actions()).toEqual([""]);
    expect(socketsOf(tasks)).toEqual([]);
  });

  test("is a little likelier to be chosen when memory runs out than the engine", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("oom", ["sleep", "1000"]);
    await tasks.client.create({ containerId: "oom" }, inNamespace);
    const call = { namespace: "test", id: "oom" };
    const { shimPid } = await tasks.manager.call(call, inNamespace, (task, options) =>
      task.connect({ id: "oom" }, options),
    );
    const scoreOf = (pid: number | string) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"));
    expect(scoreOf(shimPid)).toBe(Math.min(scoreOf("self") + 1, 1000));
  });

  test("gives way to `start` where it does not come up", async () => {
    using shim = putShimOnPath("exit 1");
    await using tasks = openTestTasks();
    tasks.addContainer("refused", ["sh", "-c", "exit 5"]);
    // The wrapper is called directly, then by `start`, which calls the real shim by its own name for the shim proper.
    expect(await runToEnd(tasks, "refused")).toBe(5);
    expect(shim.actions()).toEqual(["", "start"]);
    expect(socketsOf(tasks)).toEqual([]);
    expect(existsSync(join(tasks.store.state, "bundles", "test", "refused"))).toBe(false);
  });

  test.each(["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"])(
    "is not for a container of a group: %s",
    async (annotation) => {
      using shim = putShimOnPath();
      await using tasks = openTestTasks();
      tasks.addContainer("plain", ["true"]);
      const spec = { ...testSpec(join(tasks.dir, "rootfs"), ["true"], "pod"), annotations: { [annotation]: "pod" } };
      const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
      tasks.addContainer("pod", ["true"], { spec: { typeUrl, value: Buffer.from(JSON.stringify(spec)) } });
      expect(await runToEnd(tasks, "pod")).toBe(0);
      expect(shim.actions()).toEqual(["start"]);
      expect(await runToEnd(tasks, "plain")).toBe(0);
      expect(shim.actions()).toEqual(["start", ""]);
    },
  );
});
