import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NAMESPACE_HEADER, services } from "@ctr/api";
import { type Engine, openEngine } from "@ctr/engine";
import { createClient } from "@ctr/rpc";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

/** The restart monitor of what `ctr serve` serves, at shorter intervals. */
const image = "docker.io/library/busybox:latest";
let dir: string;
let engine: Engine;
let server: AsyncDisposable;
const ctr = (...words: readonly string[]) => mustRun([ourCtr, "--address", join(dir, "c.sock"), ...words]);
const label = (name: string, value: string) => ["--label", `containerd.io/restart.${name}=${value}`];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-restart-"));
  engine = openEngine({ root: join(dir, "root") });
  const { signal } = new AbortController();
  server = await engine.serve({ path: join(dir, "c.sock"), signal, restartIntervalMs: 20 });
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await ctr("images", "import", "--base-name", "docker.io/library/busybox", archive);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await engine?.[Symbol.asyncDispose]();
  await forgetStore(join(dir, "root"));
  await rm(dir, { recursive: true, force: true });
});

/** Topics of a container's task as they come, until `enough`. */
async function follow(id: string, enough: (topics: readonly string[]) => boolean, signal: AbortSignal) {
  const events = createClient(await services.events(), engine.channel);
  const topics: string[] = [];
  for await (const { topic, event } of events.subscribe({ filters: ['topic~="^/tasks/"'] }, { signal })) {
    if (!Buffer.from(event?.value ?? []).includes(id)) continue;
    topics.push(topic);
    if (enough(topics)) return topics;
  }
  return topics;
}

const times = (topics: readonly string[], topic: string) => topics.filter((each) => each === topic).length;

async function labelsOf(id: string): Promise<Readonly<Record<string, string>>> {
  const containers = createClient(await services.containers(), engine.channel);
  const call = { signal: AbortSignal.timeout(5000), metadata: { [NAMESPACE_HEADER]: "default" } };
  return (await containers.get({ id }, call)).container?.labels ?? {};
}

test("on-failure:2 starts a container that fails twice more, counts it, and logs where the label says", async () => {
  const log = join(dir, "log");
  const ended = follow("fails", (topics) => times(topics, "/tasks/exit") === 3, AbortSignal.timeout(30_000));
  const policy = [
    ...label("status", "running"),
    ...label("policy", "on-failure:2"),
    ...label("loguri", `file://${log}`),
  ];
  await ctr("run", "-d", ...policy, image, "fails", "sh", "-c", "echo tried; exit 3");
  const topics = await ended;
  expect(times(topics, "/tasks/start")).toBe(3);
  // Of the first one ctr itself was the reader.
  expect(await readFile(log, "utf8")).toBe("tried\ntried\n");
  expect((await labelsOf("fails"))["containerd.io/restart.count"]).toBe("2");
});

test("a container that shall run is started again when it is killed, and ended once it shall be stopped", async () => {
  const again = follow("held", (topics) => times(topics, "/tasks/start") === 2, AbortSignal.timeout(30_000));
  await ctr("run", "-d", ...label("status", "running"), image, "held", "sleep", "1000");
  await ctr("tasks", "kill", "-s", "SIGKILL", "held");
  expect(times(await again, "/tasks/delete")).toBe(1);
  const gone = follow("held", (topics) => topics.includes("/tasks/delete"), AbortSignal.timeout(30_000));
  await ctr("containers", "label", "held", "containerd.io/restart.status=stopped");
  expect(await gone).toEqual(["/tasks/exit", "/tasks/delete"]);
  expect(await ctr("tasks", "ls", "-q")).not.toContain("held");
});
