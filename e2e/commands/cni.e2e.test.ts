import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { bridgeConfig, type CniHost, openCniHost } from "../support/cni.ts";
import { startContainerd } from "../support/containerd.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { benchEngines, busybox, removeContainers, sharedBench } from "./setup.ts";

describe.each(benchEngines)("run --cni on %s", (_title, engine) => {
  const bench = sharedBench(`cni-${engine}`, engine);
  let host: CniHost;
  beforeAll(async () => {
    await bench.open();
    host = await openCniHost();
  });
  afterAll(async () => {
    await bench.close();
    await host[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await host.configure("10-test.conflist", bridgeConfig(host.dir));
    await removeContainers({ ctr: (words) => ctr(...words) });
  });

  const command = (...words: readonly string[]) => host.on(...bench.now.command(...words));
  const ctr = (...words: readonly string[]) => run(command(...words), { env: host.env });
  const line = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await ctr(...words);
    expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
    return stdout;
  };
  /** Ends a detached container; its exit code is a warning on stderr. */
  const end = async (...ids: readonly string[]) => {
    for (const id of ids) expect((await ctr("tasks", "rm", "-f", id)).code).toBe(0);
    await line("containers", "rm", ...ids);
  };
  const addressOfTask = async (id: string) => {
    const text = await line("tasks", "exec", "--exec-id", "address", id, "ip", "-4", "addr", "show", "eth0");
    return /inet (10\.231\.7\.[0-9]+)\/24/.exec(text)?.[1] ?? "";
  };

  test("gives the container an address, lo and a way out, tells of it with --debug, and leaves nothing", async () => {
    const script = "ip -4 addr; ip route";
    const { code, stdout, stderr } = await ctr("--debug", "run", "--rm", "--cni", busybox, "one", "sh", "-c", script);
    expect(code).toBe(0);
    expect(stdout).toContain("inet 127.0.0.1/8 scope host lo");
    const address = /inet (10\.231\.7\.[0-9]+\/24) .*eth0/.exec(stdout)?.[1];
    expect(address).toBeString();
    expect(stdout).toContain("default via 10.231.7.1 dev eth0");
    expect(stderr).toContain(`addresses=${address}`);
    expect(await host.remains(`${bench.now.namespace}-one`)).toEqual([]);
  });

  test("lets two containers reach each other, and the host a mapped port; tasks rm takes the network down", async () => {
    const [server, client] = ["server", "client"];
    const serve = "while :; do nc -l -p 80 -e echo hello; done";
    await line("run", "-d", "--null-io", "--cni", busybox, server, "sh", "-c", serve);
    const address = await addressOfTask(server);
    // The server may still be on its way to listening.
    const ask = (host: string, port: string) =>
      `for i in 1 2 3 4 5 6 7 8 9; do nc -w 5 ${host} ${port} </dev/null && exit; sleep 0.2; done; exit 1`;
    expect(await line("run", "--rm", "--cni", busybox, client, "sh", "-c", ask(address, "80"))).toBe("hello\n");
    const mapped = await host.run("busybox", "sh", "-c", ask("10.231.7.1", "8080").replaceAll("nc ", "busybox nc "));
    expect(mapped).toMatchObject({ code: 0, stdout: "hello\n" });
    const there = await host.remains(`${bench.now.namespace}-${server}`);
    expect(there.length).toBeGreaterThan(4);
    await ctr("tasks", "rm", "-f", server);
    expect(await host.remains(`${bench.now.namespace}-${server}`)).toEqual([]);
    await line("containers", "rm", server);
  });

  test("stays connected whatever signal it is sent, until the container is removed", async () => {
    await line(
      "run",
      "-d",
      "--null-io",
      "--cni",
      busybox,
      "hup",
      "sh",
      "-c",
      "trap : HUP; while :; do sleep 0.1; done",
    );
    const address = await addressOfTask("hup");
    await line("tasks", "kill", "-s", "HUP", "hup");
    expect(await addressOfTask("hup")).toBe(address);
    await line("tasks", "kill", "-s", "KILL", "hup");
    // `containers rm` deletes the task as well, once it has ended.
    while (!(await line("tasks", "ls")).includes("STOPPED"));
    await line("containers", "rm", "hup");
    expect(await host.remains(`${bench.now.namespace}-hup`)).toEqual([]);
  });

  test("is taken down by the tasks attach that sees the end", async () => {
    await line("run", "-d", "--cni", busybox, "attached", "cat");
    expect((await host.remains(`${bench.now.namespace}-attached`)).length).toBeGreaterThan(4);
    const attach = command("tasks", "attach", "attached");
    expect(await run(attach, { env: host.env, stdin: "x\n" })).toMatchObject({ code: 0, stdout: "x\n" });
    expect(await host.remains(`${bench.now.namespace}-attached`)).toEqual([]);
  });

  test("connects a task that is started again", async () => {
    await line("run", "--cni", busybox, "again", "true");
    expect(await host.remains(`${bench.now.namespace}-again`)).toEqual([]);
    await line("tasks", "start", "-d", "--null-io", "again");
    expect((await host.remains(`${bench.now.namespace}-again`)).length).toBeGreaterThan(4);
    await end("again");
    expect(await host.remains(`${bench.now.namespace}-again`)).toEqual([]);
  });

  test("takes down what came about when a plugin fails, and says which and why", async () => {
    const broken = join(host.dir, "plugins", "broken");
    await mkdir(join(host.dir, "plugins"));
    const answer = '{"cniVersion":"0.4.0","code":11,"msg":"no luck","details":"today"}';
    await writeFile(broken, `#!/bin/sh\n[ $CNI_COMMAND = DEL ] || { echo '${answer}'; exit 1; }\n`, { mode: 0o755 });
    await host.configure("10-broken.conflist", bridgeConfig(host.dir, [{ type: "broken" }]));
    const env = { ...host.env, CNI_PATH: `${host.env["CNI_PATH"]}:${join(host.dir, "plugins")}` };
    const { code, stdout, stderr } = await run(command("run", "--rm", "--cni", busybox, "bad", "echo", "unseen"), {
      env,
    });
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr: 'ctr: plugin type="broken" failed (add): no luck; today\n',
    });
    expect(await host.remains(`${bench.now.namespace}-bad`)).toEqual([]);
    expect(await line("containers", "ls", "-q")).not.toContain("bad");
  });

  /** A plugin that tells through a FIFO that it was called, and does not come back. */
  const hang = async () => {
    const { dir } = host;
    const [plugins, told] = [join(dir, "hanging"), join(dir, "told")];
    await mkdir(plugins, { recursive: true });
    await run(["mkfifo", told]);
    const script = `#!/bin/sh\n[ $CNI_COMMAND = DEL ] || { echo $$ >${told}; exec sleep 1000; }\n`;
    await writeFile(join(plugins, "hanging"), script, { mode: 0o755 });
    await host.configure("10-hanging.conflist", bridgeConfig(dir, [{ type: "hanging" }]));
    const env = { ...process.env, ...host.env, CNI_PATH: `${host.env["CNI_PATH"]}:${plugins}` };
    return { env, called: async () => Number(await readFile(told, "utf8")) };
  };

  test("an interrupt while a plugin hangs takes down what came about", async () => {
    const { env, called } = await hang();
    const child = Bun.spawn([...command("run", "--cni", busybox, "stopped", "true")], { env, stderr: "pipe" });
    await called();
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(await host.remains(`${bench.now.namespace}-stopped`)).toEqual([]);
    expect(await line("containers", "ls", "-q")).toBe("");
    expect(await line("tasks", "ls", "-q")).toBe("");
  });

  test("a command that is killed while a plugin runs leaves what containers rm takes down", async () => {
    const { env, called } = await hang();
    const child = Bun.spawn([...command("run", "--cni", busybox, "killed", "true")], { env, stderr: "ignore" });
    const plugin = await called();
    child.kill("SIGKILL");
    await child.exited;
    process.kill(plugin, "SIGKILL");
    expect((await host.remains(`${bench.now.namespace}-killed`)).length).toBeGreaterThan(4);
    expect(await run(command("containers", "rm", "killed"), { env })).toMatchObject({ code: 0, stderr: "" });
    expect(await host.remains(`${bench.now.namespace}-killed`)).toEqual([]);
  });

  test("takes down what came about when the command cannot be started", async () => {
    const { code, stderr } = await ctr("run", "--rm", "--cni", busybox, "nosuch", "/no/such/command");
    expect(code).toBe(1);
    expect(stderr).toContain("/no/such/command");
    expect(await host.remains(`${bench.now.namespace}-nosuch`)).toEqual([]);
  });

  test("needs no configuration to disconnect: what was connected is on record", async () => {
    await line("run", "-d", "--null-io", "--cni", busybox, "moved", "sleep", "1000");
    await host.configure("10-other.conf", { cniVersion: "0.4.0", name: "other", type: "loopback" });
    await end("moved");
    expect(await host.remains(`${bench.now.namespace}-moved`)).toEqual([]);
  });

  test("keeps the container, and word of what is left, while a plugin to take it down is missing", async () => {
    const extra = join(host.dir, "extra");
    const put = () => writeFile(join(extra, "extra"), "#!/bin/sh\ncat\n", { mode: 0o755 });
    await mkdir(extra, { recursive: true });
    await put();
    await host.configure("10-extra.conflist", bridgeConfig(host.dir, [{ type: "extra" }]));
    const env = { ...host.env, CNI_PATH: `${host.env["CNI_PATH"]}:${extra}` };
    await run(command("run", "-d", "--null-io", "--cni", busybox, "kept", "sleep", "1000"), { env });
    await rm(join(extra, "extra"));
    const removed = await ctr("tasks", "rm", "-f", "kept");
    expect(removed.code).toBe(1);
    expect(removed.stderr).toContain('ctr: failed to find plugin "extra" in path');
    expect(removed.stderr).toContain("hint: install CNI plugins");
    expect((await ctr("containers", "rm", "kept")).code).toBe(1);
    expect(await line("containers", "ls", "-q")).toBe("kept\n");
    await put();
    await line("containers", "rm", "kept");
    expect(await host.remains(`${bench.now.namespace}-kept`)).toEqual([]);
  });

  test.each([
    [
      "configuration",
      { NETCONFPATH: "/nonexistent/net.d" },
      "no network config found in /nonexistent/net.d",
      "NETCONFPATH",
    ],
    [
      "plugins",
      { CNI_PATH: "/nonexistent/a:/nonexistent/b" },
      'failed to find plugin "bridge" in path [/nonexistent/a /nonexistent/b]',
      "containernetworking-plugins",
    ],
  ])("without %s makes nothing and says what is missing", async (_what, env, message, hint) => {
    const argv = command("run", "--cni", busybox, "none", "true");
    const { code, stderr } = await run(argv, { env: { ...host.env, ...env } });
    const [error, second, ...rest] = stderr.split("\n");
    expect({ code, error, rest }).toEqual({ code: 1, error: `ctr: ${message}`, rest: [""] });
    expect(second).toStartWith("hint: ");
    expect(second).toContain(hint);
    expect(await line("containers", "ls", "-q")).toBe("");
  });

  test("is refused together with the host's network", async () => {
    const { code, stderr } = await ctr("run", "--cni", "--net-host", busybox, "both", "true");
    expect({ code, stderr }).toEqual({ code: 1, stderr: "ctr: --cni and --net-host cannot be used together\n" });
    expect(await line("containers", "ls", "-q")).toBe("");
  });

  test.each([
    ["has no network namespace", undefined, "its spec has no network namespace"],
    ["joins that of the host", "own", "it is in the host's network namespace"],
  ])("refuses a container whose spec %s", async (_what, joins, why) => {
    const spec = JSON.parse(await line("oci", "spec"));
    const others = spec.linux.namespaces.filter(({ type }: { type: string }) => type !== "network");
    const joined = joins === undefined ? [] : [{ type: "network", path: `/run/netns/${host.name}` }];
    spec.linux.namespaces = [...others, ...joined];
    spec.process.args = ["/true"];
    const rootfs = join(host.dir, "rootfs");
    await mkdir(rootfs, { recursive: true });
    await copyFile("/bin/busybox", join(rootfs, "true"));
    spec.root.path = rootfs;
    const file = join(host.dir, "config.json");
    await writeFile(file, JSON.stringify(spec));
    const { code, stderr } = await ctr("run", "--rm", "--null-io", "--cni", "--config", file, "hosts");
    expect(code).toBe(1);
    expect(stderr).toContain(why);
    expect(await host.remains(`${bench.now.namespace}-hosts`)).toEqual([]);
  });
});

test("run --cni gives what the Go ctr gives", async () => {
  await using stack = new AsyncDisposableStack();
  const daemon = stack.use(await startContainerd());
  const host = stack.use(await openCniHost());
  const archive = join(host.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const globals = ["--address", daemon.address, "-n", `cni-go-${process.pid}`];
  await mustRun([ourCtr, ...globals, "images", "import", "--base-name", "docker.io/library/busybox", archive]);
  const words = [
    "run",
    "--rm",
    "--cni",
    busybox,
    "same",
    "sh",
    "-c",
    "ip -4 addr show eth0; ip -4 route; ip -4 addr show lo",
  ];
  const ours = await run(host.on(ourCtr, ...globals, ...words), { env: host.env });
  // It looks in one place only, which is ours in a mount namespace of its own.
  const script = `mount --bind ${host.configDir} /etc/cni/net.d && exec "$0" "$@"`;
  const go = await run(host.on("unshare", "--mount", "sh", "-c", script, goCtr, ...globals, ...words));
  // Addresses are handed out in turn; interfaces numbered.
  const masked = (text: string) => text.replaceAll(/10\.231\.7\.[0-9]+/g, "A").replaceAll(/@if[0-9]+/g, "@if");
  expect({ code: ours.code, stdout: masked(ours.stdout) }).toEqual({ code: go.code, stdout: masked(go.stdout) });
  expect(go.code).toBe(0);
});
