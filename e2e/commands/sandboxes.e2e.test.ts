import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerdError, sandboxV1, toStatus } from "@ctr/api";
import { registerService, serveH2c } from "@ctr/rpc";
import { crashCtr } from "../crash/crash-store.ts";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow } from "../support/containerd.ts";
import { forgetStore, startServe, stateOf } from "../support/engine.ts";
import { endFakeShims, fakeShimsIn, writeFakeShim } from "../support/fake-shim.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";

/**
 * The commands against a stand-in for a 2.x daemon's controller, and against the engine with a shim that only has the sandbox
 * API: Debian's has not.
 */
let dir: string;
let config: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-e2e-sandboxes-"));
  config = join(dir, "pod.json");
  await writeFile(config, '{"ociVersion":"1.1.0","hostname":"pod"}');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Controller extends AsyncDisposable {
  readonly address: string;
  /** Method and sandbox id, in order. */
  readonly calls: readonly string[];
}

/** Records in memory and a controller that does nothing but fail to stop `stuck`. */
async function startController(): Promise<Controller> {
  const address = join(dir, `${Bun.randomUUIDv7()}.sock`);
  const calls: string[] = [];
  const records = new Map<string, NonNullable<sandboxV1.StoreCreateRequest["sandbox"]>>();
  const find = (id: string) => {
    const found = records.get(id);
    if (found !== undefined) return found;
    throw new ContainerdError({ code: "not_found", what: `sandbox ${JSON.stringify(id)}` });
  };
  const stopping = new AbortController();
  const store = registerService(sandboxV1.StoreDefinition, {
    async create({ sandbox }) {
      if (sandbox === undefined) throw new ContainerdError({ code: "invalid_argument", what: "no sandbox" });
      records.set(sandbox.sandboxId, sandbox);
      return { sandbox };
    },
    update: async () => ({}),
    delete: async () => ({}),
    list: async ({ filters }) => ({
      list: [...records.values()].filter(
        ({ sandboxId }) => filters.length === 0 || filters.includes(`id==${sandboxId}`),
      ),
    }),
    get: async ({ sandboxId }) => ({ sandbox: find(sandboxId) }),
  });
  const controller = registerService(sandboxV1.ControllerDefinition, {
    async create({ sandboxId, sandbox }) {
      calls.push(`create ${sandboxId} ${sandbox?.runtime?.name}`);
      return { sandboxId };
    },
    async start({ sandboxId }) {
      calls.push(`start ${sandboxId}`);
      return { sandboxId, pid: 1 };
    },
    async stop({ sandboxId }) {
      calls.push(`stop ${sandboxId}`);
      if (sandboxId === "stuck") throw new ContainerdError({ code: "internal", what: "it does not stop" });
      return {};
    },
    async shutdown({ sandboxId }) {
      calls.push(`shutdown ${sandboxId}`);
      records.delete(sandboxId);
      return {};
    },
    platform: async () => ({}),
    wait: async () => ({}),
    status: async () => ({}),
    metrics: async () => ({}),
    update: async () => ({}),
  });
  const server = await serveH2c({
    path: address,
    services: [store, controller],
    toStatus,
    signal: stopping.signal,
    drainMs: 100,
  });
  return { address, calls, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const sandboxes = (address: string, ...words: readonly string[]) => run([ourCtr, "-a", address, "sandboxes", ...words]);

test("sandboxes run --runtime, list --filters, info, remove: a record and its sandbox, from made to gone", async () => {
  await using daemon = await startController();
  const ctr = (...words: readonly string[]) => sandboxes(daemon.address, ...words);
  expect(await ctr("run", "--runtime", "io.containerd.kata.v2", config, "sb1")).toEqual({
    code: 0,
    stdout: "sb1\n",
    stderr: "",
  });
  expect((await ctr("run", config, "sb2")).stdout).toBe("sb2\n");
  const table = (await ctr("ls")).stdout.split("\n");
  expect(table[0]).toMatch(/^ID +CREATED +RUNTIME *$/);
  expect(table[1]).toMatch(/^sb1 .* io\.containerd\.kata\.v2 *$/);
  expect(table[2]).toMatch(/^sb2 .* io\.containerd\.runc\.v2 *$/);
  const one = (await ctr("list", "--filters", "id==sb2")).stdout;
  expect([one.includes("sb1"), one.includes("sb2")]).toEqual([false, true]);
  const info = JSON.parse((await ctr("info", "sb1")).stdout);
  expect(info).toMatchObject({
    ID: "sb1",
    Runtime: { Name: "io.containerd.kata.v2", Options: null },
    Sandboxer: "shim",
  });
  expect(JSON.parse(Buffer.from(info.Spec.value, "base64").toString())).toEqual({
    ociVersion: "1.1.0",
    hostname: "pod",
  });
  const removed = await ctr("rm", "sb1");
  expect(removed).toMatchObject({ code: 0, stdout: "" });
  expect(removed.stderr).toContain('level=info msg="deleted: sb1"');
  expect((await ctr("ls")).stdout).not.toContain("sb1");
  expect(daemon.calls).toEqual([
    "create sb1 io.containerd.kata.v2",
    "start sb1",
    "create sb2 io.containerd.runc.v2",
    "start sb2",
    "stop sb1",
    "shutdown sb1",
  ]);
});

test("sandboxes remove --force: one that does not stop is deleted only then; the exit code is 0 either way", async () => {
  await using daemon = await startController();
  const ctr = (...words: readonly string[]) => sandboxes(daemon.address, ...words);
  await ctr("run", config, "stuck");
  const kept = await ctr("rm", "stuck", "nosuch");
  expect(kept).toMatchObject({ code: 0, stdout: "" });
  expect(kept.stderr).toContain("failed to stop sandbox stuck");
  expect(kept.stderr).toContain("failed to load sandbox nosuch");
  expect((await ctr("ls")).stdout).toContain("stuck");
  expect((await ctr("rm", "--force", "stuck")).stderr).toContain("deleted: stuck");
  expect((await ctr("ls")).stdout).not.toContain("stuck");
});

test("sandboxes run: what is wrong with the arguments or the file is said before anything is asked", async () => {
  const ctr = (...words: readonly string[]) => sandboxes("/no/such.sock", ...words);
  expect((await ctr("run", config)).stderr).toBe("ctr: a configuration file and a sandbox id must be given\n");
  expect((await ctr("run", "/no/such.json", "x")).stderr).toBe(
    "ctr: failed to read sandbox config: open /no/such.json: no such file or directory\n",
  );
  await writeFile(join(dir, "bad.json"), "{");
  expect((await ctr("run", join(dir, "bad.json"), "x")).stderr).toStartWith("ctr: failed to parse sandbox config: ");
  expect((await ctr("info")).stderr).toStartWith("ctr: sandbox id must be provided: invalid argument\n");
});

test("on the embedded engine, with Debian's shim, which has no sandboxes, the record stays, as the Go tool leaves it, and can be removed", async () => {
  await using engine = await startServe();
  const failed = await sandboxes(engine.address, "run", config, "sb1");
  expect(failed).toMatchObject({ code: 1, stdout: "" });
  expect(failed.stderr).toMatch(
    /^ctr: failed to create new sandbox: failed to create sandbox with shim sandboxer: failed to create sandbox sb1 \(shim .*\): the shim has no sandbox API: not implemented\nhint: the record stays: /,
  );
  expect((await sandboxes(engine.address, "ls")).stdout).toContain("sb1");
  expect((await sandboxes(engine.address, "rm", "sb1")).stderr).toContain("deleted: sb1");
  expect((await sandboxes(engine.address, "ls")).stdout).not.toContain("sb1");
  expect((await sandboxes(engine.address, "info", "nosuch")).stderr).toStartWith("ctr: failed to load sandbox nosuch");
});

test("on the embedded engine sandboxes run leaves a sandbox that later commands find; run and containers create --sandbox put tasks into it", async () => {
  const root = join(dir, "root");
  const shim = await writeFakeShim(dir);
  const ctr = (...words: readonly string[]) => run([ourCtr, "--address", `embedded://${root}`, ...words]);
  try {
    expect(await ctr("sandboxes", "run", "--runtime", shim, config, "sb1")).toEqual({
      code: 0,
      stdout: "sb1\n",
      stderr: "",
    });
    const [pid = 0, ...others] = await fakeShimsIn(stateOf(root));
    expect(others).toEqual([]);
    const archive = join(dir, "busybox.tar");
    await archiveOf(await busyboxLayout(), archive);
    await mustRun([
      ourCtr,
      "--address",
      `embedded://${root}`,
      "i",
      "import",
      "--base-name",
      "docker.io/library/busybox",
      archive,
    ]);
    const image = "docker.io/library/busybox:latest";
    const inSandbox = ["--runtime", shim, "--sandbox", "sb1", image];
    expect(await ctr("run", "-d", "--null-io", ...inSandbox, "c1")).toMatchObject({ code: 0 });
    expect(await ctr("containers", "create", ...inSandbox, "c2")).toMatchObject({ code: 0 });
    expect(await ctr("tasks", "start", "-d", "--null-io", "c2")).toMatchObject({ code: 0 });
    const tasks = (await ctr("tasks", "ls")).stdout;
    for (const id of ["c1", "c2"]) expect(tasks).toMatch(new RegExp(`^${id} +${pid} +RUNNING`, "m"));
    expect(await fakeShimsIn(stateOf(root))).toEqual([pid]);
    const lost = await ctr("run", "-d", "--null-io", "--runtime", shim, "--sandbox", "nosuch", image, "c3");
    expect(lost).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^ctr: can't find sandbox nosuch: .*not found\n$/),
    });
    for (const id of ["c1", "c2"]) expect(await ctr("tasks", "rm", "--force", id)).toMatchObject({ code: 0 });
    expect(await fakeShimsIn(stateOf(root))).toEqual([pid]);
    expect((await ctr("sandboxes", "rm", "sb1")).stderr).toContain("deleted: sb1");
    expect(await fakeShimsIn(stateOf(root))).toEqual([]);
    expect((await ctr("sandboxes", "ls")).stdout).not.toContain("sb1");
  } finally {
    await endFakeShims(stateOf(root));
    await forgetStore(root);
  }
}, 60_000);

test.each(["sandbox.bundle", "sandbox.shim", "sandbox.created", "sandbox.down"])(
  "C3: sandboxes run or remove that is killed at %s leaves no shim once it is collected, and its repeat succeeds",
  async (point) => {
    const root = join(dir, point);
    const shim = await writeFakeShim(dir);
    const ctr = (words: readonly string[], env = {}) =>
      run([crashCtr, "--address", `embedded://${root}`, "sandboxes", ...words], { env });
    const make = ["run", "--runtime", shim, config, "sb1"];
    const dies = { CTR_FAILPOINT: `${point}:kill` };
    try {
      if (point === "sandbox.down") {
        expect(await ctr(make)).toMatchObject({ code: 0 });
        expect(await ctr(["rm", "sb1"], dies)).toMatchObject({ code: 137 });
      } else expect(await ctr(make, dies)).toMatchObject({ code: 137 });
      expect((await ctr(["rm", "--force", "sb1"])).stderr).toContain("deleted: sb1");
      expect(await fakeShimsIn(stateOf(root))).toEqual([]);
      expect(await ctr(make)).toMatchObject({ code: 0, stdout: "sb1\n" });
      expect((await ctr(["rm", "sb1"])).stderr).toContain("deleted: sb1");
      expect(await fakeShimsIn(stateOf(root))).toEqual([]);
      expect(await mountsBelow(stateOf(root))).toEqual([]);
      expect(await readdir(join(stateOf(root), "sandboxes")).catch(() => [])).toEqual([]);
    } finally {
      await endFakeShims(stateOf(root));
      await forgetStore(root);
    }
  },
);
