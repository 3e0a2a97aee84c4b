import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

let dir: string;
let root: string;
const parent = `/ctr-e2e-${process.pid}`;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-cgroup-"));
  root = join(dir, "root");
  await archiveOf(await busyboxLayout(), join(dir, "busybox.tar"));
  await ctr("images", "import", "--base-name", "local/busybox", join(dir, "busybox.tar"));
});
afterAll(async () => {
  await forgetStore(root);
  await mustRun([
    "find",
    "/sys/fs/cgroup",
    "-depth",
    "-type",
    "d",
    "-path",
    `*${parent}*`,
    "-exec",
    "rmdir",
    "{}",
    "+",
  ]);
  await rm(dir, { recursive: true, force: true });
});

const ctr = (...words: readonly string[]) => mustRun([ourCtr, "-a", `embedded://${root}`, ...words]);

/** The cgroups of a process, one a hierarchy, those without a controller left out. */
async function cgroupsOf(pid: string): Promise<readonly string[]> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8")).trim().split("\n");
  return lines
    .map((line) => line.split(":"))
    .flatMap(([id, controllers, path]) =>
      id === "0" && lines.length > 1 ? [] : controllers?.startsWith("name=") ? [] : [path ?? ""],
    );
}

test.each<[string, readonly string[]]>([
  ["plain", []],
  ["privileged", ["--privileged"]],
  ["host-network", ["--net-host"]],
])("R17: every process of a container is in the cgroup that was asked for: %s", async (id, flags) => {
  const image = "local/busybox:latest";
  await ctr("run", "-d", "--cgroup", `${parent}/${id}`, ...flags, image, id, "sh", "-c", "sleep 1000 & sleep 1000");
  await ctr("tasks", "exec", "-d", "--exec-id", "e", id, "sleep", "1000");
  const pids = (await ctr("tasks", "ps", id)).match(/^\d+/gm) ?? [];
  expect(pids.length).toBeGreaterThan(1);
  for (const pid of pids) {
    const cgroups = await cgroupsOf(pid);
    expect(cgroups.length).toBeGreaterThan(0);
    expect(cgroups.filter((path) => path !== `${parent}/${id}` && !path.startsWith(`${parent}/${id}/`))).toEqual([]);
  }
  await ctr("tasks", "rm", "-f", id);
  await ctr("containers", "rm", id);
});
