import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";

const image = "docker.io/library/busybox:latest";
let daemon: PrivateContainerd;
let archive: string;
beforeAll(async () => {
  daemon = await startContainerd();
  archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await mustRun(["ctr", "-a", daemon.address, "i", "import", "--base-name", "docker.io/library/busybox", archive]);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const command = (...words: readonly string[]) => [ourCtr, "-a", daemon.address, ...words];
const list = (...view: readonly string[]) => mustRun(["ctr", "-a", daemon.address, ...view]);

async function nothingRuns(): Promise<void> {
  expect(await list("t", "ls", "-q")).toBe("");
  expect(await list("c", "ls", "-q")).toBe("");
  expect(await list("leases", "ls", "-q")).toBe("");
}

test("Ctrl-C reaches the process of a run, and its exit code comes back", async () => {
  using session = openTerminal(
    command(
      "run",
      "--rm",
      image,
      "trap",
      "sh",
      "-c",
      "trap 'echo caught; exit 42' INT; echo ready; while :; do sleep 0.05; done",
    ),
  );
  await session.waitFor(/ready/);
  session.type("\x03");
  expect(await session.exited).toBe(42);
  expect(session.output).toContain("caught");
  await nothingRuns();
});

test("a signal to ctr is forwarded to the process", async () => {
  using session = openTerminal(
    command("run", "--rm", image, "usr1", "sh", "-c", "trap 'exit 43' USR1; echo ready; while :; do sleep 0.05; done"),
  );
  await session.waitFor(/ready/);
  process.kill(session.pid, "SIGUSR1");
  expect(await session.exited).toBe(43);
  await nothingRuns();
});

test("run -t is a terminal: raw, sized, resized, restored", async () => {
  // The size comes right after the start, so the first look may be too early.
  const until = (size: string) => `until [ "$(stty size 2>/dev/null)" = "${size}" ]; do :; done`;
  const script = `${until("22 77")}; echo sized $TERM; trap "exit 6" INT; ${until("31 101")}; echo resized; cat`;
  const words = command("run", "--rm", "-t", image, "tty", "sh", "-c", script).map((word) => `'${word}'`);
  const around = [
    `stty -g >${daemon.dir}/before`,
    words.join(" "),
    "code=$?",
    `stty -g | cmp -s - ${daemon.dir}/before && echo same-settings`,
    `rm ${daemon.dir}/before`,
    "exit $code",
  ];
  using session = openTerminal(["sh", "-c", around.join("; ")], { columns: 77, rows: 22 });
  await session.waitFor(/sized xterm/);
  session.resize(101, 31);
  await session.waitFor(/resized/);
  session.type("echoed by cat\r");
  await session.waitFor(/echoed by cat[\s\S]*echoed by cat/);
  session.type("\x03");
  expect(await session.exited).toBe(6);
  expect(session.output).toContain("same-settings");
  await nothingRuns();
});

test("SIGTERM while a terminal is raw restores it", async () => {
  const words = command("run", "--rm", "-t", image, "term", "sh", "-c", "echo ready; exec sleep 1000").map(
    (word) => `'${word}'`,
  );
  using session = openTerminal([
    "sh",
    "-c",
    `stty -g >${daemon.dir}/b; ${words.join(" ")} & wait $!; stty -g | cmp -s - ${daemon.dir}/b && echo same-settings; rm ${daemon.dir}/b`,
  ]);
  await session.waitFor(/ready/);
  const children = (await mustRun(["ps", "-o", "pid=", "--ppid", `${session.pid}`])).trim().split(/\s+/);
  process.kill(Number(children[0]), "SIGTERM");
  await session.exited;
  expect(session.output).toContain("same-settings");
  await list("t", "ls");
  await run(["ctr", "-a", daemon.address, "t", "rm", "-f", "term"]);
  await run(["ctr", "-a", daemon.address, "c", "rm", "term"]);
});

test("piped stdin reaches the process and its end of file too", async () => {
  const outcome = await run(command("run", "--rm", image, "cat", "cat"), {
    stdin: "line one\nline two\n",
    timeoutMs: 20_000,
  });
  expect(outcome).toMatchObject({ code: 0, stdout: "line one\nline two\n", stderr: "" });
  expect(await run(command("run", "--rm", image, "cat", "cat"), { stdin: "", timeoutMs: 20_000 })).toMatchObject({
    code: 0,
    stdout: "",
  });
});

test("a large output comes whole", async () => {
  const outcome = await mustRun([
    "sh",
    "-c",
    `${command("run", "--rm", image, "big", "sh", "-c", "dd if=/dev/zero bs=1048576 count=64 2>/dev/null")
      .map((word) => `'${word}'`)
      .join(" ")} | sha256sum`,
  ]);
  expect(outcome.split(" ")[0]).toBe(
    (await mustRun(["sh", "-c", "head -c 67108864 /dev/zero | sha256sum"])).split(" ")[0],
  );
});

test("Ctrl-C before a container runs leaves nothing", async () => {
  for (const delayMs of [5, 15, 30, 60, 100]) {
    const child = Bun.spawn(command("run", "--rm", image, "early", "sleep", "0.3"), {
      stdout: "ignore",
      stderr: "ignore",
    });
    // The moment of the signal is what this test varies; nothing is awaited that an event could tell.
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    child.kill("SIGINT");
    await child.exited;
    await nothingRuns();
    expect(await list("snapshots", "ls")).not.toContain("early");
  }
});

test("no FIFO directories are left", async () => {
  const fifos = join(daemon.dir, "fifos");
  await mkdir(fifos);
  await mustRun(command("run", "--rm", "--fifo-dir", fifos, image, "fifo", "echo", "x"));
  expect(await readdir(fifos)).toEqual([]);
});

test("a full disk: the import says so and leaves no image and no lease", async () => {
  const disk = join(daemon.dir, "disk");
  const mount = join(daemon.dir, "small");
  await writeFile(disk, "");
  await mustRun(["truncate", "-s", "12M", disk]);
  await mustRun(["mkfs.ext4", "-q", "-m", "0", disk]);
  await mkdir(mount);
  await mustRun(["mount", "-o", "loop", disk, mount]);
  try {
    await using small = await startContainerd({ root: join(mount, "root") });
    await mustRun(["sh", "-c", `head -c 20000000 /dev/zero >${mount}/filler 2>/dev/null || true`]);
    const outcome = await run([ourCtr, "-a", small.address, "i", "import", archive]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^ctr: .*no space left on device[^\n]*\n(?:hint: [^\n]+\n)?$/);
    expect(await mustRun(["ctr", "-a", small.address, "i", "ls", "-q"])).toBe("");
    expect(await mustRun(["ctr", "-a", small.address, "leases", "ls", "-q"])).toBe("");
  } finally {
    await mustRun(["umount", "-l", mount]);
  }
});
