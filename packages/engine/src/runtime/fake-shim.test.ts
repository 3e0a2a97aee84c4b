import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootstrapV1, taskTypes } from "@ctr/api";
import { inNamespace, openTestTasks, TEST_NAMESPACE } from "../testing/test-tasks.ts";
import { taskPaths } from "./task-paths.ts";

/** A store whose PATH has a shim that answers in `form`, and notes in its bundle what it was given. */
function openWithFake(form: string) {
  const tasks = openTestTasks();
  const program = join(import.meta.dir, "../testing/fake-shim.ts");
  const shim = join(tasks.dir, "bin/containerd-shim-fake-v1");
  mkdirSync(join(tasks.dir, "bin"));
  const notes = 'env >env.txt; ulimit -S -n >limit.txt; for fd in /proc/$$/fd/*; do readlink "$fd"; done >fds.txt';
  const script = `#!/bin/sh\ncase "$*" in *start) ${notes};; esac\nFAKE_SHIM=${form} exec ${process.execPath} ${program} "$@"\n`;
  writeFileSync(shim, script, { mode: 0o755 });
  tasks.addContainer("f", ["unused"], {
    runtime: shim,
    runtimeOptions: { typeUrl: "any.Type", value: Uint8Array.of(1) },
  });
  const { bundle } = taskPaths(tasks.store, TEST_NAMESPACE, "f");
  return { ...tasks, shim, note: (name: string) => readFileSync(join(bundle, name)) };
}

test.each([
  ["as text, version 2", "text"],
  ["as JSON, version 3", "json"],
  ["as JSON that says 3 where it serves 2", "json-lies"],
  ["as protobuf, from protobuf parameters", "protobuf"],
])("a shim whose start answers %s runs a task from create to delete", async (_how, form) => {
  await using tasks = openWithFake(form);
  const { client } = tasks;
  const { pid } = await client.create({ containerId: "f" }, inNamespace);
  await client.start({ containerId: "f" }, inNamespace);
  const other = tasks.openAnother();
  const found = await other.client.get({ containerId: "f" }, inNamespace);
  expect(found.process).toMatchObject({ id: "f", pid, status: taskTypes.Status.RUNNING });
  const waiting = other.client.wait({ containerId: "f" }, inNamespace);
  await client.kill({ containerId: "f", signal: 15 }, inNamespace);
  expect(await waiting).toMatchObject({ exitStatus: 143, exitedAt: { seconds: 1_700_000_000n, nanos: 5 } });
  expect(await client.delete({ containerId: "f" }, inNamespace)).toMatchObject({ pid, exitStatus: 143 });
});

test("R20: a shim gets our options, and no file or variable of ours", async () => {
  process.env["BUN_CTR_TEST"] = "1";
  process.env["NODE_CTR_TEST"] = "1";
  await using tasks = openWithFake("protobuf");
  await tasks.client.create({ containerId: "f" }, inNamespace);
  delete process.env["BUN_CTR_TEST"];
  delete process.env["NODE_CTR_TEST"];
  const params = bootstrapV1.BootstrapParams.decode(tasks.note("stdin.bin"));
  expect(params.extensions).toEqual([{ value: { typeUrl: "any.Type", value: Uint8Array.of(1) } }]);
  expect(tasks.note("env.txt").toString()).not.toMatch(/^(?:BUN|NODE)_/m);
  const ours = tasks
    .note("fds.txt")
    .toString()
    .split("\n")
    .filter((path) => path.startsWith(tasks.dir));
  // The shell has its script open, and the file it writes this list to.
  expect(ours.filter((path) => path !== tasks.shim && !path.endsWith("/fds.txt"))).toEqual([]);
});

test("a fake shim that is killed is buried by its `delete`", async () => {
  await using tasks = openWithFake("json");
  const { pid } = await tasks.client.create({ containerId: "f" }, inNamespace);
  const waiting = tasks.client.wait({ containerId: "f" }, inNamespace);
  process.kill(pid, "SIGKILL");
  expect(await waiting).toMatchObject({ exitStatus: 137, exitedAt: { seconds: 1_700_000_001n } });
});

test("a shim gets the limit of open files that our caller has, not the one that our runtime raised", async () => {
  await using tasks = openWithFake("json");
  const program = join(import.meta.dir, "../testing/run-task-program.ts");
  const shell = ["/bin/sh", "-c", 'ulimit -S -n 777; "$@"; true', "sh"];
  const env = { ...process.env, CTR_TEST_RUNTIME: tasks.shim };
  const argv = [...shell, process.execPath, program, tasks.dir, "f"];
  expect(await Bun.spawn(argv, { env, stdout: "ignore", stderr: "ignore" }).exited).toBe(0);
  expect(tasks.note("limit.txt").toString()).toBe("777\n");
});
