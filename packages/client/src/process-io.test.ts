import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openProcessIo } from "./process-io.ts";

let fifoDir: string;
beforeEach(() => {
  fifoDir = join(mkdtempSync(join(tmpdir(), "ctr-io-")), "fifo");
});
afterEach(() => rmSync(dirname(fifoDir), { recursive: true, force: true }));

/** What a shim does with FIFOs, done by a shell. */
function shim(script: string) {
  return Bun.spawn(["sh", "-c", script], { stdout: "pipe" });
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

test("a pipe has FIFOs named by id in a directory of its own, mode 0700, and close() removes them", async () => {
  const io = openProcessIo({ kind: "pipe", stdin: true, fifoDir }, "c1");
  const { stdin, stdout, stderr, terminal } = io.paths;
  const dir = dirname(stdout);
  expect(dirname(dir)).toBe(fifoDir);
  expect([stdin, stdout, stderr]).toEqual(["stdin", "stdout", "stderr"].map((name) => `${dir}/c1-${name}`));
  expect(terminal).toBe(false);
  for (const path of [stdin, stdout, stderr]) {
    expect([statSync(path).isFIFO(), statSync(path).mode & 0o777]).toEqual([true, 0o700]);
  }
  expect(statSync(fifoDir).mode & 0o777).toBe(0o700);
  await io.close();
  expect(readdirSync(fifoDir)).toEqual([]);
});

test("a terminal has no stderr, null has no path at all, a log URI is both outputs", async () => {
  const io = openProcessIo({ kind: "terminal", fifoDir }, "c1");
  expect(io.paths).toMatchObject({ stderr: "", terminal: true });
  await io.close();
  expect(openProcessIo({ kind: "null" }, "c1").paths).toEqual({ stdin: "", stdout: "", stderr: "", terminal: false });
  const uri = "file:///var/log/x";
  expect(openProcessIo({ kind: "logUri", uri }, "c1").paths).toMatchObject({ stdin: "", stdout: uri, stderr: uri });
});

test("output that nobody read is drained, so that drained() resolves", async () => {
  const io = openProcessIo({ kind: "pipe", fifoDir }, "c1");
  const { stdout, stderr } = io.paths;
  const child = shim(`exec 3> ${stdout} 4> ${stderr}; echo open; head -c 300000 /dev/zero >&3; printf x >&4`);
  // The first bytes say that both ends are open.
  await child.stdout.getReader().read();
  io.opened(async () => undefined);
  await io.drained();
  expect(await child.exited).toBe(0);
  await io.close();
});

test("a reader that leaves early does not block the process", async () => {
  const io = openProcessIo({ kind: "pipe", fifoDir }, "c1");
  const child = shim(`exec 3> ${io.paths.stderr}; head -c 1000000 /dev/zero > ${io.paths.stdout}`);
  for await (const chunk of io.stdout) if (chunk.byteLength > 0) break;
  expect(await child.exited).toBe(0);
  await io.close();
});

test("stdin that ends before the shim is there arrives whole, and CloseIO is asked for after that", async () => {
  const io = openProcessIo({ kind: "pipe", stdin: true, fifoDir }, "c1");
  await io.stdin.write("before ");
  await io.stdin.write("the shim");
  const steps: string[] = [];
  const ended = io.stdin.end().then(() => steps.push("ended"));
  // The shim's cat opens the FIFO; its own end of file is what closing ours brings.
  const child = shim(`exec 3>${io.paths.stdout} 4>${io.paths.stderr}; cat ${io.paths.stdin} >&3`);
  const text = textOf(io.stdout);
  await waitForReader(io.paths.stdin, child.pid);
  expect(steps).toEqual([]);
  io.opened(async () => void steps.push("closeIo"));
  await ended;
  expect(steps).toEqual(["closeIo", "ended"]);
  expect(await text).toBe("before the shim");
  await expect(io.stdin.write("late")).rejects.toMatchObject({ code: "failed_precondition" });
  await io.close();
});

test("the end of a terminal's stdin is not told to the shim, which would shut the terminal down", async () => {
  const io = openProcessIo({ kind: "terminal", fifoDir }, "c1");
  let told = false;
  io.opened(async () => {
    told = true;
  });
  await io.stdin.end();
  expect(told).toBe(false);
  await io.close();
});

test("detach() ends the streams and leaves the FIFOs for the next one", async () => {
  const io = openProcessIo({ kind: "pipe", stdin: true, fifoDir }, "c1");
  await io.detach();
  expect(await textOf(io.stdout)).toBe("");
  expect(existsSync(io.paths.stdout)).toBe(true);
  const again = openProcessIo({ kind: "fifos", paths: io.paths }, "c1");
  const child = shim(`printf again > ${io.paths.stdout}; exec 3> ${io.paths.stderr}`);
  expect(await child.exited).toBe(0);
  again.opened(async () => undefined);
  expect(await textOf(again.stdout)).toBe("again");
  await again.close();
  await io.close();
});

/** Resolves when `pid` or a child of it has `path` open. */
async function waitForReader(path: string, pid: number): Promise<void> {
  for (;;) {
    const children = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
    for (const one of [pid, ...children.split(" ").filter(Boolean).map(Number)]) {
      for (const fd of listFds(one)) if (fd === path) return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function listFds(pid: number): readonly string[] {
  const { readlinkSync } = process.getBuiltinModule("node:fs");
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}
