import { expect, test } from "bun:test";
import { join } from "node:path";
import { ContainerdError, decodeAnyAs } from "@ctr/api";
import { ourCtr } from "../support/binaries.ts";
import { startContainerd } from "../support/containerd.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { startTransferDaemon, type TransferRequest, type TransferScript } from "../support/transfer-daemon.ts";

const storeOf = (any: TransferRequest["source"]) => decodeAnyAs(any, "containerd.types.transfer.ImageStore");
const nothing: TransferScript = async () => undefined;
const tag = (address: string, ...words: readonly string[]) => run([ourCtr, "-a", address, "images", "tag", ...words]);

test("tag is one transfer per name, without labels, and prints each name", async () => {
  await using daemon = await startTransferDaemon({ transfer: nothing });
  const outcome = await tag(daemon.address, "src", "docker.io/library/a:1", "docker.io/library/b:2");
  expect(outcome).toEqual({ code: 0, stdout: "docker.io/library/a:1\ndocker.io/library/b:2\n", stderr: "" });
  expect(daemon.calls).toEqual(["Plugins type==io.containerd.transfer.v1", "Transfer", "Transfer"]);
  const pairs = daemon.requests.map(({ source, destination }) => [storeOf(source)?.name, storeOf(destination)?.name]);
  expect(pairs).toEqual([
    ["src", "docker.io/library/a:1"],
    ["src", "docker.io/library/b:2"],
  ]);
  expect(storeOf(daemon.requests[0]?.destination)?.labels).toEqual({});
});

test("tag checks names unless told not to", async () => {
  await using daemon = await startTransferDaemon({ transfer: nothing });
  const refused = await tag(daemon.address, "src", "BAD TAG");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toStartWith('ctr: error parsing reference: "BAD TAG" is not a valid repository/tag');
  expect(daemon.requests).toEqual([]);
  expect((await tag(daemon.address, "--skip-reference-check", "src", "BAD TAG")).stdout).toBe("BAD TAG\n");
});

test("tag stops at the first name that fails", async () => {
  const failing: TransferScript = async () => {
    throw new ContainerdError({ code: "not_found", what: 'image "src"' });
  };
  await using daemon = await startTransferDaemon({ transfer: failing });
  const { code, stdout, stderr } = await tag(daemon.address, "src", "a:1", "b:2");
  expect([code, stdout, stderr.split("\n")[0]]).toEqual([1, "", 'ctr: image "src": not found']);
  expect(daemon.requests).toHaveLength(1);
});

test("--local never asks for the transfer service", async () => {
  await using daemon = await startTransferDaemon({ transfer: nothing });
  expect((await tag(daemon.address, "--local", "src", "a:1")).code).toBe(1);
  expect(daemon.calls).toEqual([]);
});

test("a daemon without transfer is asked once, and then served by the client's own form", async () => {
  await using daemon = await startTransferDaemon({ transfer: nothing, hasTransfer: false });
  const { stderr } = await tag(daemon.address, "src", "a:1");
  expect(stderr).toStartWith("ctr: unknown service containerd.services.leases.v1.Leases");
  expect(daemon.calls).toEqual(["Plugins type==io.containerd.transfer.v1"]);
});

test("on a real 1.6 every command takes the client's form, and flags that need it simply work", async () => {
  await using daemon = await startContainerd();
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const ctr = (...words: readonly string[]) => run([ourCtr, "-a", daemon.address, ...words]);
  const name = "docker.io/library/busybox";
  const imported = await ctr("i", "import", "--discard-unpacked-layers", "--base-name", name, archive);
  expect([imported.code, imported.stderr]).toEqual([0, ""]);
  expect(imported.stdout).toMatch(/^unpacking \S+ \(sha256:\w{64}\)\.\.\.done\n$/);
  const [image = ""] = (await mustRun(["ctr", "-a", daemon.address, "i", "ls", "-q"])).split("\n");
  expect(await ctr("i", "tag", image, `${name}:copy`)).toEqual({ code: 0, stdout: `${name}:copy\n`, stderr: "" });
  const again = await ctr("i", "tag", image, `${name}:copy`);
  expect([again.code, again.stderr.split("\n")[0]]).toEqual([1, `ctr: image "${name}:copy": already exists`]);
  expect(await mustRun(["ctr", "-a", daemon.address, "leases", "ls", "-q"])).toBe("");
});
