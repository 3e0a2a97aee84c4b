import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { encodeJsonAny } from "@ctr/api";
import { listMounts } from "@ctr/sys";
import {
  canRunContainers,
  inNamespace,
  openTestTasks,
  TEST_NAMESPACE,
  type TestTasks,
  testSpec,
} from "../testing/test-tasks.ts";

const SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

async function shimPid(tasks: TestTasks, id: string): Promise<number> {
  const key = { namespace: TEST_NAMESPACE, id };
  return (await tasks.manager.call(key, inNamespace, (task, options) => task.connect({ id }, options))).shimPid;
}

describe.if(canRunContainers())("tasks with streams, mounts and company", () => {
  test("closeIO() ends the stdin of a process that reads to the end", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("cat", ["cat"]);
    const containerId = "cat";
    const stdin = join(tasks.dir, "in");
    const log = join(tasks.dir, "out");
    await Bun.spawn(["mkfifo", stdin]).exited;
    await tasks.client.create({ containerId, stdin, stdout: `file://${log}`, stderr: `file://${log}` }, inNamespace);
    const waiting = tasks.client.wait({ containerId }, inNamespace);
    await tasks.client.start({ containerId }, inNamespace);
    const fd = openSync(stdin, "w");
    writeSync(fd, "through the fifo\n");
    closeSync(fd);
    await tasks.client.closeIO({ containerId, stdin: true }, inNamespace);
    expect(await waiting).toMatchObject({ exitStatus: 0 });
    await tasks.client.delete({ containerId }, inNamespace);
    expect(readFileSync(log, "utf8")).toBe("through the fifo\n");
  });

  test("the rootfs of the request is mounted for the task's life, and resources can be updated", async () => {
    await using tasks = openTestTasks();
    const spec = { ...testSpec("rootfs", ["sleep", "1000"], "mnt") };
    tasks.addContainer("mnt", [], { spec: encodeJsonAny(SPEC, spec) });
    const rootfs = [{ type: "bind", source: join(tasks.dir, "rootfs"), options: ["rbind", "ro"] }];
    const mounts = () => listMounts().filter((mount) => mount.mountPoint.startsWith(tasks.dir)).length;
    await tasks.client.create({ containerId: "mnt", rootfs }, inNamespace);
    await tasks.client.start({ containerId: "mnt" }, inNamespace);
    expect(mounts()).toBe(1);
    const resources = encodeJsonAny("types.containerd.io/opencontainers/runtime-spec/1/LinuxResources", {
      pids: { limit: 77 },
    });
    await tasks.client.update({ containerId: "mnt", resources }, inNamespace);
    const gone = tasks.client.wait({ containerId: "mnt" }, inNamespace);
    await tasks.client.kill({ containerId: "mnt", signal: 9 }, inNamespace);
    await gone;
    await tasks.client.delete({ containerId: "mnt" }, inNamespace);
    expect(mounts()).toBe(0);
  });

  test("two tasks of one group share a shim, which lives until the second is deleted", async () => {
    await using tasks = openTestTasks();
    for (const id of ["g1", "g2"]) {
      const annotations = { "io.containerd.runc.v2.group": "pod" };
      const spec = { ...testSpec(join(tasks.dir, "rootfs"), ["sleep", "1000"], id), annotations };
      tasks.addContainer(id, [], { spec: encodeJsonAny(SPEC, spec) });
      await tasks.client.create({ containerId: id }, inNamespace);
      await tasks.client.start({ containerId: id }, inNamespace);
    }
    const shim = await shimPid(tasks, "g1");
    expect(await shimPid(tasks, "g2")).toBe(shim);
    for (const id of ["g1", "g2"]) {
      const gone = tasks.client.wait({ containerId: id }, inNamespace);
      await tasks.client.kill({ containerId: id, signal: 9 }, inNamespace);
      await gone;
      await tasks.client.delete({ containerId: id }, inNamespace);
      expect(tasks.manager.ids(TEST_NAMESPACE)).toEqual(id === "g1" ? ["g2"] : []);
      if (id === "g1") expect(await shimPid(tasks, "g2")).toBe(shim);
    }
  });

  test("R2, R5: sockets and bundles are open to their owner alone, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      await using tasks = openTestTasks();
      tasks.addContainer("m", ["sleep", "1000"]);
      await tasks.client.create({ containerId: "m" }, inNamespace);
      const listing = Bun.spawnSync([
        "find",
        tasks.store.state,
        "(",
        "-type",
        "s",
        "-o",
        "-type",
        "d",
        ")",
        "-printf",
        "%y %m %f\n",
      ]);
      const lines = listing.stdout.toString().split("\n");
      expect(lines).toContain("s 600 events.sock");
      expect(lines).toContain("d 700 m");
      expect(lines.filter((line) => line.startsWith("s ") && !line.startsWith("s 600 "))).toEqual([]);
      expect(readFileSync("/proc/net/unix", "latin1")).not.toMatch(new RegExp(`@.*${tasks.store.id}`));
      await tasks.client.delete({ containerId: "m" }, inNamespace);
    } finally {
      process.umask(umask);
    }
  });
});
