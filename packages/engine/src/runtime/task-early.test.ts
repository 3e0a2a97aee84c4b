import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { canRunContainers, inNamespace, openTestTasks, TEST_NAMESPACE, type TestTasks } from "../testing/test-tasks.ts";
import { removeStrayBundles } from "./stray-bundles.ts";
import { taskPaths } from "./task-paths.ts";
import { findTask } from "./task-rows.ts";

const expected = { namespace: TEST_NAMESPACE, id: "soon", runtime: "io.containerd.runc.v2", isPassing: false };

function rowOf({ store }: TestTasks) {
  return store.db.read((tx) => findTask(tx, TEST_NAMESPACE, "soon"));
}

function leftOf({ store }: TestTasks): readonly string[] {
  const { bundle } = taskPaths(store, TEST_NAMESPACE, "soon");
  return [bundle, join(store.state, "s")].filter((dir) => existsSync(dir)).flatMap((dir) => readdirSync(dir));
}

describe.if(canRunContainers())("a task that is expected", () => {
  test("is created in the shim that was started for it", async () => {
    await using tasks = openTestTasks();
    tasks.manager.expect(expected);
    await tasks.manager.serveEvents();
    expect(rowOf(tasks)?.pid).toBe(0n);
    tasks.addContainer("soon", ["sh", "-c", "exit 7"]);
    await tasks.client.create({ containerId: "soon" }, inNamespace);
    const gone = tasks.client.wait({ containerId: "soon" }, inNamespace);
    await tasks.client.start({ containerId: "soon" }, inNamespace);
    expect((await gone).exitStatus).toBe(7);
    await tasks.client.delete({ containerId: "soon" }, inNamespace);
    expect(leftOf(tasks)).toEqual([]);
  });

  test("and is never created leaves nothing when its engine ends", async () => {
    await using tasks = openTestTasks();
    const other = tasks.openAnother();
    other.manager.expect(expected);
    await other.manager.serveEvents();
    expect(rowOf(tasks)?.pid).toBe(0n);
    await other.manager[Symbol.asyncDispose]();
    expect(rowOf(tasks)).toBeUndefined();
    expect(leftOf(tasks)).toEqual([]);
  });

  test("with another runtime than its container has in the end is created all the same", async () => {
    await using tasks = openTestTasks();
    tasks.manager.expect(expected);
    tasks.addContainer("soon", ["true"], { runtime: Bun.which("containerd-shim-runc-v2") ?? "" });
    await tasks.client.create({ containerId: "soon" }, inNamespace);
    await tasks.client.delete({ containerId: "soon" }, inNamespace);
    expect(leftOf(tasks)).toEqual([]);
  });

  test("is left alone where its id is taken", async () => {
    await using tasks = openTestTasks();
    tasks.addContainer("soon", ["true"]);
    tasks.manager.expect(expected);
    await tasks.manager.serveEvents();
    expect(rowOf(tasks)).toBeUndefined();
  });

  test.each([
    // As it is before the shim answers: nobody was told of the task.
    ["before it answers", "UPDATE tasks SET pid = 0 WHERE id = 'soon'"],
    // As it is when the shim was just started.
    ["before it was recorded", "DELETE FROM tasks WHERE id = 'soon'"],
  ])("of a process that was killed %s goes with the next collection", async (_when, statement) => {
    await using tasks = openTestTasks();
    tasks.addContainer("soon", ["sleep", "1000"]);
    await tasks.client.create({ containerId: "soon" }, inNamespace);
    expect(leftOf(tasks)).not.toEqual([]);
    tasks.store.db.write((tx) => tx.run(statement));
    await removeStrayBundles(tasks.store);
    expect(rowOf(tasks)).toBeUndefined();
    expect(leftOf(tasks)).toEqual([]);
  });
});
