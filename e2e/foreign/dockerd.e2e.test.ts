import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, unmountBelow } from "../support/containerd.ts";
import { type PrivateDockerd, startDockerd } from "../support/dockerd.ts";
import { startServe } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";

/** Debian's dockerd with `ctr serve` for its containerd, as the tutorial's last chapter has it. */
let daemon: PrivateContainerd;
let dockerd: PrivateDockerd;

beforeAll(async () => {
  daemon = await startServe();
  dockerd = await startDockerd(daemon);
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const image = join(daemon.dir, "docker.tar");
  await mustRun(["skopeo", "copy", "-q", `oci-archive:${archive}`, `docker-archive:${image}:busybox:latest`]);
  expect(await docker("load", "-i", image)).toContain("Loaded image: busybox:latest");
}, 60_000);

afterAll(async () => {
  await dockerd?.[Symbol.asyncDispose]();
  await unmountBelow(daemon.dir);
  await daemon?.[Symbol.asyncDispose]();
}, 60_000);

const docker = (...words: readonly string[]) => dockerd.docker(...words);
const moby = (...words: readonly string[]) =>
  mustRun([ourCtr, "--address", daemon.address, "--namespace", "moby", ...words]);

test("docker run -d, exec, stop and rm; ctr -n moby shows the container meanwhile", async () => {
  const id = (await docker("run", "-d", "--network=none", "--name=web", "busybox:latest", "sleep", "1000")).trim();
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(await docker("exec", "web", "echo", "from inside")).toBe("from inside\n");
  expect(await moby("containers", "ls")).toMatch(new RegExp(`^${id} +- +io\\.containerd\\.runc\\.v2 *$`, "m"));
  expect(await moby("tasks", "ls")).toMatch(new RegExp(`^${id} +\\d+ +RUNNING`, "m"));
  await docker("stop", "-t", "1", "web");
  expect(await docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "web")).toBe("exited 137\n");
  await docker("rm", "web");
  expect(await moby("containers", "ls", "-q")).toBe("");
  expect(await mustRun([ourCtr, "--address", daemon.address, "namespaces", "ls", "-q"])).toBe("moby\n");
});

test("docker run passes output and exit code on", async () => {
  const argv = ["run", "--rm", "--network=none", "busybox:latest", "sh", "-c", "echo out; echo err >&2; exit 3"];
  const outcome = await run(["/usr/bin/docker", "-H", `unix://${join(daemon.dir, "d.sock")}`, ...argv]);
  expect(outcome).toEqual({ code: 3, stdout: "out\n", stderr: "err\n" });
});
