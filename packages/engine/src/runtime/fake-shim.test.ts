import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootstrapV1, taskTypes } from "@ctr/api";
import { listMounts } from "@ctr/sys";
import { inNamespace, openTestTasks, TEST_NAMESPACE } from "../testing/test-tasks.ts";
import { eventsSocket, shimAddress, taskPaths } from "./task-paths.ts";

/** A store whose PATH has a shim that answers in `form`, and notes in its bundle what it was given. */
function openWithFake(form: string, allow = "") {
  const tasks = openTestTasks();
  const program = join(import.meta.dir, "../testing/fake-shim.ts");
  const shim = join(tasks.dir, "bin/containerd-shim-fake-v1");
  mkdirSync(join(tasks.dir, "bin"));
  const notes = 'env >env.txt; ulimit -S -n >limit.txt; for fd in /proc/$$/fd/*; do readlink "$fd"; done >fds.txt';
  const script = `#!/bin/sh\ncase "$*" in *start) ${notes};; esac\nFAKE_SHIM=${form} ${allow === "" ? "" : `FAKE_ALLOW=${allow} `}exec ${process.execPath} ${program} "$@"\n`;
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
  ["as JSON, for gRPC", "grpc"],
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
  expect(params).toMatchObject({
    ...{ instanceId: "f", namespace: TEST_NAMESPACE, logLevel: bootstrapV1.LogLevel.LOG_LEVEL_INFO },
    containerdTtrpcAddress: eventsSocket(tasks.store),
    containerdGrpcAddress: shimAddress(tasks.store),
  });
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

test.each([
  ["says nothing", "json", "", ["bind", "bind"], 1],
  ["formats mounts itself", "json", "format/*", ["bind", "format/bind"], 0],
  ["has a type of its own", "json", "format/bind", ["bind", "format/bind"], 0],
  ["has another type", "json", "erofs,loop", ["bind", "bind"], 1],
])("a root filesystem that takes a mount manager, and a shim that %s", async (_what, form, allow, types, mounted) => {
  await using tasks = openWithFake(form, allow);
  const rootfs = [
    { type: "bind", source: tasks.dir, options: ["rbind", "ro"] },
    { type: "format/bind", source: "{{ mount 0 }}", options: ["rbind", "ro"] },
  ];
  await tasks.client.create({ containerId: "f", rootfs }, inNamespace);
  const standing = () => listMounts().filter(({ mountPoint }) => mountPoint.startsWith(`${tasks.store.state}/mounts/`));
  const given: { readonly rootfs: readonly { readonly type: string }[] } = JSON.parse(
    tasks.note("created.json").toString(),
  );
  expect(given.rootfs.map(({ type }) => type)).toEqual(types.slice(mounted));
  expect(standing()).toHaveLength(mounted);
  await tasks.client.delete({ containerId: "f" }, inNamespace);
  expect(standing()).toEqual([]);
});

test("a shim that takes neither form of parameters is told of in the words it has for the form it knows", async () => {
  await using tasks = openWithFake("refuses");
  await expect(tasks.client.create({ containerId: "f" }, inNamespace)).rejects.toThrow(
    /shim start failed \(.*\): the fake is out of order$/,
  );
});
