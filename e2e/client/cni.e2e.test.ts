import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attachNetwork, detachNetworks } from "../../packages/client/src/cni/cni.ts";
import { openStage, type Stage } from "./setup.ts";

const { signal } = new AbortController();
let dir: string;
/** A namespace of its own for each test to connect. */
let process1: Bun.Subprocess;
const id = `cni-sdk-${process.pid}`;
const places = () => ({ configDir: join(dir, "net.d"), pluginDirs: [join(dir, "bin")], cacheDir: join(dir, "cache") });
const target = (owner = "first") => ({ id, owner, pid: process1.pid });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-cni-sdk-"));
  await mkdir(join(dir, "net.d"));
  await mkdir(join(dir, "bin"));
  const plugins = [{ type: "first" }, { type: "second", capabilities: { portMappings: true } }];
  const config = { cniVersion: "1.0.0", name: "net", plugins };
  await writeFile(join(dir, "net.d", "1.conflist"), JSON.stringify(config));
  for (const name of ["first", "second"]) {
    // Each says what it was asked, then does what the file beside it says.
    const script = `#!/bin/sh
      in=$(cat)
      echo "$CNI_COMMAND $0 $CNI_NETNS $in" >>${dir}/log
      if [ -e $0.fails-$CNI_COMMAND ]; then echo '{"msg":"told to fail"}'; exit 1; fi
      [ $CNI_COMMAND = DEL ] || echo "{\\"ips\\":[{\\"address\\":\\"10.0.0.$(basename $0 | wc -c)/24\\"}]}"`;
    await writeFile(join(dir, "bin", name), script, { mode: 0o755 });
  }
  process1 = await ownNetns();
});
afterEach(async () => {
  for (const name of await readdir(join(dir, "bin"))) if (name.includes("fails")) await rm(join(dir, "bin", name));
  await detachNetworks({ id, owner: "first" }, places());
  await rm(join(dir, "log"), { force: true });
});
afterAll(async () => {
  process1.kill("SIGKILL");
  await rm(dir, { recursive: true });
});

/** A process in a network namespace of its own, known to be in it. */
async function ownNetns(): Promise<Bun.Subprocess> {
  const child = Bun.spawn(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 1000"], { stdout: "pipe" });
  await child.stdout.getReader().read();
  return child;
}

const pin = `/run/ctr/netns/${id}`;
const attachment = () => join(dir, "cache", "results", `net-${id}-eth0`);
/** What the plugins were asked, in order. */
async function asked(): Promise<readonly string[]> {
  const lines = (await readFile(join(dir, "log"), "utf8")).trim().split("\n");
  return lines.map((line) => line.replace(`${dir}/bin/`, "").split(" ").slice(0, 3).join(" "));
}

test("attachNetwork() asks plugins in order, detachNetworks() in reverse, with the same namespace", async () => {
  const network = await attachNetwork(target(), places(), signal);
  expect(network).toMatchObject({ name: "net", interfaceName: "eth0", addresses: ["10.0.0.7/24"] });
  expect(existsSync(pin)).toBe(true);
  expect(JSON.parse(await readFile(attachment(), "utf8"))).toMatchObject({ kind: "cniCacheV1", containerId: id });
  await detachNetworks({ id, owner: "first" }, places());
  expect(await asked()).toEqual([`ADD first ${pin}`, `ADD second ${pin}`, `DEL second ${pin}`, `DEL first ${pin}`]);
  const deleted = (await readFile(join(dir, "log"), "utf8")).split("\n").filter((line) => line.startsWith("DEL"));
  for (const line of deleted)
    expect(line).toContain('"prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.7/24"}]}');
  expect([existsSync(pin), existsSync(attachment())]).toEqual([false, false]);
});

test("attachNetwork() hands capability arguments to the plugins that declare them, when they disconnect as well", async () => {
  const capabilityArgs = { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp" }] };
  await attachNetwork(target(), { ...places(), capabilityArgs, args: { OF: "test" } }, signal);
  await detachNetworks({ id, owner: "first" }, places());
  const lines = (await readFile(join(dir, "log"), "utf8")).trim().split("\n");
  const told = lines.map((line) => line.includes('"runtimeConfig":{"portMappings":[{"hostPort":80'));
  expect(told).toEqual([false, true, true, false]);
});

test("S4: attachNetwork() takes down what came about when a plugin fails, and keeps word of what it could not", async () => {
  await writeFile(join(dir, "bin", "second.fails-ADD"), "");
  await writeFile(join(dir, "bin", "first.fails-DEL"), "");
  await expect(attachNetwork(target(), places(), signal)).rejects.toThrow('"second" failed (add): told to fail');
  expect(await asked()).toEqual([`ADD first ${pin}`, `ADD second ${pin}`, `DEL second ${pin}`, `DEL first ${pin}`]);
  expect([existsSync(pin), existsSync(attachment())]).toEqual([true, true]);
  await expect(detachNetworks({ id, owner: "first" }, places())).rejects.toThrow('"first" failed (delete)');
  await rm(join(dir, "bin", "first.fails-DEL"));
  await detachNetworks({ id, owner: "first" }, places());
  expect([existsSync(pin), existsSync(attachment())]).toEqual([false, false]);
});

test("attachNetwork() refuses a name that a running container of another engine has, and leaves that one connected", async () => {
  await attachNetwork(target(), places(), signal);
  await expect(attachNetwork(target("second"), places(), signal)).rejects.toMatchObject({ code: "already_exists" });
  await detachNetworks({ id, owner: "second" }, places());
  expect([existsSync(pin), existsSync(attachment())]).toEqual([true, true]);
});

test("attachNetwork() takes down what a killed command left of an earlier container of that name", async () => {
  const earlier = await ownNetns();
  await attachNetwork({ ...target("earlier"), pid: earlier.pid }, places(), signal);
  earlier.kill("SIGKILL");
  await earlier.exited;
  await attachNetwork(target(), places(), signal);
  const commands = (await asked()).map((line) => line.split(" ", 2).join(" "));
  expect(commands.slice(2)).toEqual(["DEL second", "DEL first", "ADD first", "ADD second"]);
});

test("run() with a network connects the container and disposing disconnects it", async () => {
  await using stack = new AsyncDisposableStack();
  const stage: Stage = stack.use(await openStage("cni"));
  await stage.client.images.pull(stage.busybox);
  const cni = places();
  const io = { kind: "null" } as const;
  const args = ["sleep", "1000"];
  {
    await using task = await stage.client.run({ image: stage.busybox, id: "net", args, io, network: "cni", cni });
    expect(task.network?.addresses).toEqual(["10.0.0.7/24"]);
    expect(await readdir(join(dir, "cache", "results"))).toEqual([`net-${stage.client.namespace}-net-eth0`]);
  }
  expect((await asked()).map((line) => line.split(" ")[0])).toEqual(["ADD", "ADD", "DEL", "DEL"]);
  expect(await readdir(join(dir, "cache", "results"))).toEqual([]);
  expect(await stage.client.containers.list()).toEqual([]);
});
