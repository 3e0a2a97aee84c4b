import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mountsBelow } from "../support/containerd.ts";
import type { PrivateEngine } from "../support/engine.ts";
import { type Layout, nginxLayout, pushLayout, sha256 } from "../support/images.ts";
import { mustRun, type Outcome, type RunOptions, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { openTerminal } from "../support/terminal.ts";

const image = "docker.io/library/nginx:alpine";
/** A digest as a tree shows it. */
const short = (digest: string) => digest.slice("sha256:".length, "sha256:".length + 12);

/** Who takes the walk, and on what. */
export interface Walker {
  /** The program: ours, or the reference. */
  readonly tool: string;
  startEngine(): Promise<PrivateEngine>;
  /** Whether all platforms must be in hand and named for an image of several to be exported and imported again. */
  readonly exportsAllOnly?: boolean;
  /** What the tool may say on stderr though all is well. */
  readonly noise?: RegExp;
  /** Whether an edited blob is read from the file that was opened, not from the name that the editor saved under. */
  readonly editsInPlace?: boolean;
  /** Whether a change of the terminal's size is lost when it comes before the tool looks out for one. */
  readonly losesEarlyResize?: boolean;
  /** Whether the daemon itself moves images, as from 2.0 on, and what it does is shown as a tree. */
  readonly transfers?: boolean;
}

/**
 * The walk a new user takes, line by line. The tests run in order: each goes on from where the one before it ended.
 */
export function describeTutorial({
  tool,
  startEngine,
  exportsAllOnly = false,
  noise,
  editsInPlace = false,
  losesEarlyResize = false,
  transfers = false,
}: Walker): void {
  let daemon: PrivateEngine;
  let registry: PrivateRegistry;
  let layout: Layout;
  let hostsDir: string;

  beforeAll(async () => {
    [daemon, registry, layout] = await Promise.all([startEngine(), startRegistry(), nginxLayout()]);
    await pushLayout(registry.host, "library/nginx", "alpine", layout);
    // The one thing that a user with a network does not need: docker.io is on loopback here.
    hostsDir = join(daemon.dir, "hosts");
    await mkdir(join(hostsDir, "docker.io"), { recursive: true });
    const server = `server = "https://registry-1.docker.io"\n[host."http://${registry.host}"]\n  capabilities = ["pull", "resolve"]\n`;
    await writeFile(join(hostsDir, "docker.io/hosts.toml"), server);
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  const command = (...words: readonly string[]) => [tool, "--address", daemon.ourAddress, ...words];

  function ctr(...words: readonly string[]): Promise<Outcome> {
    return run(command(...words));
  }

  /** A line of the tutorial that must succeed without a word on stderr; returns its stdout. */
  async function line(words: readonly string[], options: RunOptions = {}): Promise<string> {
    const outcome = await run(command(...words), options);
    const stderr = noise ? outcome.stderr.replace(noise, "") : outcome.stderr;
    expect({ words, code: outcome.code, stderr }).toEqual({ words, code: 0, stderr: "" });
    return outcome.stdout;
  }

  /** Rows of a table by their first cell, cells split at two or more blanks. */
  function rows(table: string): ReadonlyMap<string, readonly string[]> {
    const cells = table
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((text) => text.trimEnd().split(/\s+/));
    return new Map(cells.map(([first = "", ...rest]) => [first, rest]));
  }

  async function taskPid(id: string): Promise<number> {
    return Number(rows(await line(["task", "ls"])).get(id)?.[0]);
  }

  /** What nginx answers on port 80 of the container's own network, asked from there; "" when it does not answer. */
  async function fetchFromInside(id: string): Promise<string> {
    const program =
      "await fetch('http://127.0.0.1/', { signal: AbortSignal.timeout(2000) }).then(async (answer) => process.stdout.write(await answer.text()))";
    const outcome = await run(["nsenter", "-t", `${await taskPid(id)}`, "-n", process.execPath, "-e", program]);
    return outcome.stdout;
  }

  /** Waits until nginx listens: its own socket in the container's network namespace tells. */
  async function nginxListens(id: string): Promise<void> {
    const pid = await taskPid(id);
    for (;;) {
      if ((await readFile(`/proc/${pid}/net/tcp`, "utf8")).includes("00000000:0050 00000000:0000 0A")) return;
      await stat(`/proc/${pid}`);
    }
  }

  test("ctr i pull: index, manifest, config and layers arrive and are unpacked", async () => {
    const out = await line(["i", "pull", "--hosts-dir", hostsDir, image]);
    const { manifests } = JSON.parse(
      (await readFile(join(layout.dir, "blobs/sha256", layout.target.digest.slice(7)))).toString(),
    );
    const names = transfers
      ? [`index (${short(layout.target.digest)})`, `manifest (${short(manifests[0].digest)})`]
      : [`index-${layout.target.digest}:`, `manifest-${manifests[0].digest}:`];
    for (const name of names) expect(out).toContain(name);
    const done = transfers ? /layer \([0-9a-f]{12}\) +\textracted/g : /layer-sha256:[0-9a-f]{64}: +done/g;
    expect(out.match(done)?.length).toBeGreaterThanOrEqual(3);
    expect(out).toContain(
      transfers ? "Completed pull from OCI Registry" : `unpacking linux/amd64 ${layout.target.digest}...\ndone`,
    );
  });

  test("ctr i ls: the image with all its platforms", async () => {
    // The other platforms' manifests are fetched with --all-metadata only, on a 1.6 daemon.
    const row = rows(await line(["i", "ls"])).get(image) ?? [];
    expect(row[0]).toBe(layout.target.mediaType);
    expect(row[1]).toBe(layout.target.digest);
    expect(row[4]).toBe("linux/386,linux/amd64,linux/arm/v6,linux/arm/v7,linux/arm64/v8,linux/ppc64le,linux/s390x");
  });

  test("ctr i mount and unmount: the tree appears on the host and vanishes", async () => {
    const target = join(daemon.dir, "mnt");
    await mkdir(target);
    expect(await line(["i", "mount", image, target])).toContain(`${target}\n`);
    expect(await readdir(target)).toContain("etc");
    expect(await readFile(join(target, "usr/share/nginx/html/index.html"), "utf8")).toContain("Welcome");
    expect(await mountsBelow(daemon.dir)).toContain(target);
    expect(await line(["i", "unmount", target])).toBe(`${target}\n`);
    expect(await readdir(target)).toEqual([]);
    expect(await mountsBelow(daemon.dir)).not.toContain(target);
  });

  test("ctr i export and import: the image comes back in a fresh namespace, and in k8s.io", async () => {
    const archive = join(daemon.dir, "nginx.tar.gz");
    const flags = exportsAllOnly ? ["--all-platforms"] : [];
    if (exportsAllOnly) await line(["content", "fetch", ...flags, "--hosts-dir", hostsDir, image]);
    expect(await line(["i", "export", ...flags, archive, image])).toBe("");
    await line(["i", "import", ...flags, archive]);
    expect(await line(["-n", "k8s.io", "image", "import", ...flags, archive])).toContain(
      transfers ? "Completed import" : `unpacking ${image} (${layout.target.digest})...done`,
    );
    expect(rows(await line(["-n", "k8s.io", "i", "ls"])).get(image)?.[1]).toBe(layout.target.digest);
    const again = join(daemon.dir, "again.tar");
    await line(["-n", "k8s.io", "i", "export", ...flags, again, image]);
    expect(sha256(await readFile(again))).toBe(sha256(await readFile(archive)));
  });

  test("ctr i --help: every command of the tutorial's list", async () => {
    const help = await line(["i", "--help"]);
    for (const name of ["check", "export", "import", "list, ls", "mount", "unmount", "pull", "push", "tag", "label"]) {
      expect(help).toMatch(new RegExp(`^   ${name} `, "m"));
    }
    expect(help).toMatch(/^ {3}(?:delete|remove), .*\brm\b/m);
    expect(help).toContain("--help, -h");
  });

  test("ctr content ls and content edit: an edited blob has a new digest", async () => {
    const table = await line(["content", "ls"]);
    expect(table.split("\n")[0]).toMatch(/^DIGEST\t+SIZE\t+AGE\t+LABELS$/);
    expect(table).toContain(layout.target.digest);
    const before = await readFile(join(layout.dir, "blobs/sha256", layout.target.digest.slice(7)), "utf8");
    const editor = join(daemon.dir, "vim");
    // An editor that saves as vim does: a new file under the old name.
    const save = editsInPlace ? 'cat "$1.new" >"$1" && rm "$1.new"' : 'mv "$1.new" "$1"';
    await writeFile(editor, `#!/bin/sh\ntr -d "\\n" <"$1" >"$1.new" && ${save}\n`, { mode: 0o755 });
    // Nothing refers to what is edited, so a collection that is due would take it before it is read.
    await line(["leases", "create", "--id", "collect"]);
    await line(["leases", "delete", "--sync", "collect"]);
    const digest = (await line(["content", "edit", "--editor", editor, layout.target.digest])).trim();
    expect(digest).toBe(sha256(Buffer.from(before.replaceAll("\n", ""))));
    expect(await line(["content", "get", digest])).toBe(before.replaceAll("\n", ""));
  });

  test("ctr c create, c ls and c info: a container is a record until it has a task", async () => {
    expect(await line(["c", "create", image, "nginx"])).toBe("");
    expect(rows(await line(["c", "ls"])).get("nginx")).toEqual([image, "io.containerd.runc.v2"]);
    const info = JSON.parse(await line(["c", "info", "nginx"]));
    expect(info).toMatchObject({ ID: "nginx", Image: image, SnapshotKey: "nginx", Snapshotter: "overlayfs" });
    expect(info.Spec.process.args).toEqual(["nginx", "-g", "daemon off;"]);
    expect(rows(await line(["task", "ls"])).size).toBe(0);
  });

  test("ctr c --help: every command of the tutorial's list but those of later issues", async () => {
    const help = await line(["c", "--help"]);
    for (const name of ["create", "delete, del, rm|delete, del, remove, rm", "info", "list, ls", "label"]) {
      expect(help).toMatch(new RegExp(`^   (?:${name}) `, "m"));
    }
  });

  test("ctr task start -d: nginx answers HTTP from inside the container", async () => {
    await line(["task", "start", "-d", "nginx"]);
    const [pid, status] = rows(await line(["task", "ls"])).get("nginx") ?? [];
    expect(status).toBe("RUNNING");
    expect(await readFile(`/proc/${pid}/cmdline`, "utf8")).toContain("nginx");
    await nginxListens("nginx");
    expect(await fetchFromInside("nginx")).toBe("Welcome to nginx in a container\n");
  });

  test("ctr task exec -t: a shell on a real terminal", async () => {
    using shell = openTerminal(command("task", "exec", "--exec-id", "0", "-t", "nginx", "sh"), {
      columns: 91,
      rows: 33,
    });
    await shell.waitFor(/# .\[6n/);
    shell.type("tty; stty size\r");
    // The shell's line editor is ready once it has asked where the cursor stands.
    await shell.waitFor(/\/dev\/pts\/\d+[\s\S]*33 91[\s\S]*# .\[6n/);
    shell.resize(100, 40);
    shell.type("until [ \"$(stty size)\" = '40 100' ]; do echo wait'ing'; sleep 0.1; done; echo re'sized'\r");
    let looks = 0;
    while (losesEarlyResize && !shell.output.includes("resized")) {
      await shell.waitFor(new RegExp(`(?:waiting[^]*){${++looks}}|resized`));
      shell.resize(99, 40);
      shell.resize(100, 40);
    }
    await shell.waitFor(/resized[\s\S]*# .\[6n/);
    shell.type("wget -qO- http://127.0.0.1/; exit 5\r");
    expect(await shell.exited).toBe(5);
    expect(shell.output).toContain("Welcome to nginx in a container");
  });

  test("ctr task pause stops it answering, and resume brings it back", async () => {
    await line(["task", "pause", "nginx"]);
    expect(rows(await line(["task", "ls"])).get("nginx")?.[1]).toBe("PAUSED");
    expect(await fetchFromInside("nginx")).toBe("");
    await line(["task", "resume", "nginx"]);
    expect(rows(await line(["task", "ls"])).get("nginx")?.[1]).toBe("RUNNING");
    expect(await fetchFromInside("nginx")).toContain("Welcome");
  });

  /** The directory of a task's cgroup: containerd's is named for the container, the engine's is below the store's own. */
  async function cgroupOf(id: string, controller: string): Promise<string> {
    const groups = await readFile(`/proc/${await taskPid(id)}/cgroup`, "utf8");
    const path = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, "m").exec(groups)?.[1];
    expect(path).toMatch(new RegExp(`/default/${id}$`));
    return `/sys/fs/cgroup/${controller}${path}`;
  }

  test("ctr task metrics: the numbers of the cgroup's own files, while nothing moves", async () => {
    await line(["task", "pause", "nginx"]);
    const table = await line(["task", "metrics", "nginx"]);
    const value = (name: string) => new RegExp(`^${name.replaceAll(".", "\\.")} +(.*?) *$`, "m").exec(table)?.[1];
    const file = async (controller: string, name: string) =>
      (await readFile(join(await cgroupOf("nginx", controller), name), "utf8")).trim();
    expect(table).toMatch(/^ID +TIMESTAMP/);
    expect(value("memory.usage_in_bytes")).toBe(await file("memory", "memory.usage_in_bytes"));
    expect(value("memory.limit_in_bytes")).toBe(await file("memory", "memory.limit_in_bytes"));
    expect(value("memory.stat.cache")).toBe(/^total_cache (\d+)$/m.exec(await file("memory", "memory.stat"))?.[1]);
    expect(value("cpuacct.usage")).toBe(await file("cpuacct", "cpuacct.usage"));
    expect(value("cpuacct.usage_percpu")).toBe(`[${(await file("cpuacct", "cpuacct.usage_percpu")).trim()}]`);
    expect(value("pids.current")).toBe(await file("pids", "pids.current"));
    expect(value("pids.limit")).toBe("0");
    await line(["task", "resume", "nginx"]);
  });

  test("ctr task ps: the processes by their ids on the host", async () => {
    const pids = [...rows(await line(["task", "ps", "nginx"])).keys()].map(Number);
    const inCgroup = (await readFile(join(await cgroupOf("nginx", "pids"), "cgroup.procs"), "utf8"))
      .trim()
      .split("\n")
      .map(Number);
    expect(pids.toSorted()).toEqual(inCgroup.toSorted());
    expect(pids).toContain(await taskPid("nginx"));
    expect(pids.length).toBeGreaterThanOrEqual(3);
  });

  test("ctr task kill: the stop signal of the image ends it", async () => {
    const pid = await taskPid("nginx");
    using events = openTerminal(command("events", 'topic=="/tasks/exit"'));
    await line(["task", "ls"]);
    await line(["task", "kill", "nginx"]);
    await mustRun(["tail", `--pid=${pid}`, "-f", "/dev/null"]);
    expect(rows(await line(["task", "ls"])).get("nginx")?.[1]).toBe("STOPPED");
    events.type("\x03");
    await events.exited;
    await line(["task", "rm", "nginx"]);
    await line(["c", "rm", "nginx"]);
  });

  test("ctr run -d: created and started in one step", async () => {
    await line(["run", "-d", image, "nginx"]);
    expect(rows(await line(["task", "ls"])).get("nginx")?.[1]).toBe("RUNNING");
    await nginxListens("nginx");
    expect(await fetchFromInside("nginx")).toContain("Welcome");
    await line(["task", "kill", "-s", "SIGKILL", "nginx"]);
  });

  test("ctr ns ls: the namespaces in use", async () => {
    expect([...rows(await line(["ns", "ls"])).keys()]).toEqual(["default", "k8s.io"]);
  });

  test("ctr without arguments: the commands of the tutorial's list", async () => {
    const { stdout, code } = await ctr();
    expect(code).toBe(0);
    const names = [
      "plugins, plugin",
      "version",
      "containers, c, container",
      "content",
      "events, event",
      "images, image, i",
      "leases",
    ];
    for (const name of [...names, "namespaces, namespace, ns", "run", "snapshots, snapshot", "tasks, t, task", "oci"]) {
      expect(stdout).toMatch(new RegExp(`^   ${name} `, "m"));
    }
  });
}
