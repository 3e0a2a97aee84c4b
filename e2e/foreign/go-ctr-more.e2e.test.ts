import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { goCtr } from "../support/binaries.ts";
import type { PrivateContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";

/** What the tutorial's walk has none of: Debian's Go ctr on `ctr serve`. */
const image = "docker.io/library/busybox:latest";
let daemon: PrivateContainerd;
const command = (...words: readonly string[]) => [goCtr, "--address", daemon.address, ...words];
const line = (...words: readonly string[]) => mustRun(command(...words));

beforeAll(async () => {
  daemon = await startServe();
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await line("images", "import", "--base-name", "docker.io/library/busybox", archive);
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

test("events: what run --rm does is told in order", async () => {
  using follower = openTerminal(command("events"), { columns: 1000 });
  let listening = false;
  const heard = follower.waitFor(/\/namespaces\/update/).then(() => {
    listening = true;
  });
  // Nothing tells when a subscription stands but that something comes through.
  for (let turn = 0; !listening; turn++) await line("namespaces", "label", "default", `turn=${turn}`);
  await heard;
  await line("run", "--rm", image, "told", "true");
  await follower.waitFor(/\/containers\/delete/);
  const topics = [...follower.output.matchAll(/^\S+ \S+ \S+ \S+ default (\/\S+) \{/gm)].map((found) => found[1] ?? "");
  expect(topics.filter((topic) => !/^\/(?:namespaces|content|images)\//.test(topic))).toEqual([
    "/snapshot/prepare",
    "/containers/create",
    "/tasks/create",
    "/tasks/start",
    "/tasks/exit",
    "/tasks/delete",
    "/snapshot/remove",
    "/containers/delete",
  ]);
});

test("run -t: a shell on a terminal, its exit code, and nothing left", async () => {
  using shell = openTerminal(command("run", "--rm", "-t", image, "term", "sh"), { columns: 91, rows: 33 });
  await shell.waitFor(/# .\[6n/);
  shell.type("tty; exit 7\r");
  expect(await shell.exited).toBe(7);
  expect(shell.output).toContain("/dev/pts/0");
  expect(await line("containers", "ls", "-q")).toBe("");
  expect(await line("tasks", "ls", "-q")).toBe("");
});

test("run: stdin to the end, stdout and stderr apart", async () => {
  const child = Bun.spawn(command("run", "--rm", image, "pipe", "sh", "-c", "echo out; echo err >&2; exit 3"), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect({ out, err, code: await child.exited }).toEqual({ out: "out\n", err: "err\n", code: 3 });
});

test("snapshots: a tree of an image and a container's snapshot on it, prepared, committed, removed", async () => {
  await line("run", "-d", image, "held", "sleep", "1000");
  const tree = await line("snapshots", "tree");
  expect(tree).toMatch(/^ sha256:[0-9a-f]{64}\n {2}\\_ held\n$/);
  const parent = /sha256:\w+/.exec(tree)?.[0] ?? "";
  await line("snapshots", "prepare", "mine", parent);
  await line("snapshots", "commit", "done", "mine");
  expect(await line("snapshots", "tree")).toMatch(/\n {2}\\_ done\n {2}\\_ held\n$/);
  await line("snapshots", "rm", "done");
  await line("tasks", "exec", "--exec-id", "touch", "held", "touch", "/etc/touched");
  const diff = command("snapshots", "diff", "held").join(" ");
  expect(await mustRun(["bash", "-o", "pipefail", "-c", `${diff} | tar -tz`])).toBe("etc/\netc/touched\n");
  await line("tasks", "rm", "-f", "held");
  await line("containers", "rm", "held");
  expect(await line("snapshots", "tree")).toBe(` ${parent}\n`);
});
