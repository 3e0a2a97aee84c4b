import { afterAll, beforeAll, expect, test } from "bun:test";
import { openTerminal } from "../support/terminal.ts";
import { busybox, sharedBench } from "./setup.ts";

const bench = sharedBench("events");
beforeAll(bench.open);
afterAll(bench.close);

const topics = [
  "/snapshot/prepare",
  "/containers/create",
  "/tasks/create",
  "/tasks/start",
  "/tasks/exit",
  "/tasks/delete",
  "/snapshot/remove",
  "/containers/delete",
];

/** Lines of a follower, split as the four fields. */
function eventsIn(output: string) {
  return output
    .split(/\r?\n/)
    .map((line) => /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000 UTC) (\S+) (\/\S+) (.*)$/.exec(line))
    .flatMap((found) => (found ? [{ namespace: found[2], topic: found[3] ?? "", body: found[4] ?? "" }] : []));
}

/** Follows events and resolves once the daemon is known to send them. */
async function follow(...filters: readonly string[]) {
  const { command, go } = bench.now;
  const follower = openTerminal(command("events", ...filters), { columns: 1000 });
  // Nothing tells when a subscription stands: marks are made until one comes through.
  let seen = false;
  const first = follower.waitFor(/\/namespaces\/create/).then(() => {
    seen = true;
  });
  for (let mark = 0; !seen; mark++) await go(["namespaces", "create", `mark${mark}`]);
  await first;
  return follower;
}

test("events: run --rm is told as eight lines in order, and Ctrl-C ends them with 130", async () => {
  const { line, namespace } = bench.now;
  using follower = await follow();
  await line(["run", "--rm", busybox, "ev1", "true"]);
  await follower.waitFor(/\/containers\/delete/);
  follower.type("\x03");
  expect(await follower.exited).toBe(130);
  const events = eventsIn(follower.output).filter(({ topic }) => topics.includes(topic));
  expect(events.map(({ topic }) => topic)).toEqual(topics);
  expect(new Set(events.map((event) => event.namespace))).toEqual(new Set([namespace]));
  expect(follower.output).not.toContain("ctr:");
});

test("events: bodies have the names of the .proto files, and times as seconds and nanos", async () => {
  const { ctr } = bench.now;
  using follower = await follow('topic~="/tasks/"', "topic~=/namespaces/");
  expect((await ctr(["run", "--rm", busybox, "ev2", "sh", "-c", "exit 4"])).code).toBe(4);
  await follower.waitFor(/\/tasks\/delete/);
  const tasks = eventsIn(follower.output).filter(({ topic }) => !topic.startsWith("/namespaces/"));
  expect(tasks.map(({ topic }) => topic)).toEqual(topics.filter((topic) => topic.startsWith("/tasks/")));
  const exit = JSON.parse(tasks.find(({ topic }) => topic === "/tasks/exit")?.body ?? "");
  expect(exit).toEqual({
    container_id: "ev2",
    id: "ev2",
    pid: expect.any(Number),
    exit_status: 4,
    exited_at: { seconds: expect.any(Number), nanos: expect.any(Number) },
  });
});
