import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type FakeCriu, makeFakeCriu } from "../support/fake-criu.ts";
import { busybox, sharedBench } from "./setup.ts";

const bench = sharedBench("checkpoint");
let criu: FakeCriu;
let runc = "";
beforeAll(async () => {
  await bench.open();
  criu = await makeFakeCriu(bench.now.daemon.dir);
  runc = criu.runc;
});
afterAll(bench.close);

const lines = (text: string) => text.split("\n").filter(Boolean);

test("tasks checkpoint: the image that the Go tool makes, and a task that runs on", async () => {
  const { go, line } = bench.now;
  const start = (id: string) =>
    line(["run", "-d", "--null-io", "--runc-binary", runc, busybox, id, "sh", "-c", "echo made >/made; sleep 1000"]);
  await start("ours");
  const name = (await line(["tasks", "checkpoint", "ours"])).trim();
  expect(name).toMatch(/^containerd\.io\/checkpoint\/ours:\d\d-\d\d-\d{4}-\d\d:\d\d:\d\d$/);
  expect(await line(["tasks", "ls"])).toMatch(/^ours +\d+ +RUNNING$/m);
  await start("base");
  const base = await go(["tasks", "checkpoint", "base"]);
  expect(base).toMatchObject({ code: 0, stderr: "" });
  const theirs = base.stdout.trim();
  const index = async (image: string) => {
    const row = lines(await line(["images", "ls", `name==${image}`]))[1]?.split(/\s+/) ?? [];
    const { manifests, ...rest } = JSON.parse(await line(["content", "get", row[2] ?? ""]));
    return {
      ...rest,
      types: manifests.map((each: object) => ({ ...each, digest: "", size: 0 })),
      labels: row.find((word) => word.includes("=")),
    };
  };
  const ours = await index(name);
  expect(ours).toEqual(await index(theirs));
  expect(ours.labels).toBe("containerd.io/checkpoint=true");
  expect(ours.types.map(({ mediaType }: { mediaType: string }) => mediaType)).toEqual([
    "application/vnd.containerd.container.criu.checkpoint.criu.tar",
    "application/vnd.containerd.container.checkpoint.config.v1+proto",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
  ]);
  expect(await line(["leases", "ls", "-q"])).toBe("");
  expect(await line(["snapshots", "ls"])).not.toContain("-view-");
  for (const id of ["ours", "base"]) {
    await bench.now.ctr(["tasks", "rm", "-f", id]);
    await line(["containers", "rm", id]);
  }
});

test("tasks checkpoint --image-path, --work-path and --exit: the dump stays where it was wanted, and no image is made", async () => {
  const { daemon, line } = bench.now;
  await line(["run", "-d", "--null-io", "--runc-binary", runc, busybox, "kept", "sleep", "1000"]);
  const [images, work] = [join(daemon.dir, "dump"), join(daemon.dir, "dump-work")];
  await mkdir(images);
  await mkdir(work);
  const before = await line(["images", "ls", "-q"]);
  expect(await line(["tasks", "checkpoint", "--image-path", images, "--work-path", work, "kept"])).toBe("");
  expect(await readdir(images)).toContain("core-1.img");
  expect(await line(["images", "ls", "-q"])).toBe(before);
  const calls = async () => (await criu.calls()).at(-1) ?? "";
  expect(await calls()).toContain(`--work-path ${work}`);
  expect(await calls()).toContain("--leave-running");
  expect(await line(["tasks", "checkpoint", "--exit", "--image-path", images, "kept"])).toBe("");
  expect(await calls()).not.toContain("--leave-running");
  await bench.now.ctr(["tasks", "rm", "-f", "kept"]);
  await line(["containers", "rm", "kept"]);
});

test("tasks checkpoint with the real runc, where there is no criu: the error names it, and the task runs on", async () => {
  const { ctr, line } = bench.now;
  await line(["run", "-d", "--null-io", busybox, "real", "sleep", "1000"]);
  const { code, stdout, stderr } = await ctr(["tasks", "checkpoint", "real"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^ctr: .*criu.*\nhint: checkpoints need criu/i);
  expect(await line(["tasks", "ls"])).toMatch(/^real +\d+ +RUNNING$/m);
  expect((await ctr(["tasks", "checkpoint"])).stderr).toBe("ctr: container id must be provided\n");
  expect((await ctr(["tasks", "checkpoint", "nosuch"])).stderr).toContain("not found");
  await ctr(["tasks", "rm", "-f", "real"]);
  await line(["containers", "rm", "real"]);
});
