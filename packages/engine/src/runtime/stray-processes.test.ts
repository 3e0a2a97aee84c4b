import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killProcessesIn, leaves } from "./stray-processes.ts";

function sleepIn(dir: string) {
  return Bun.spawn(["sleep", "1000"], { cwd: dir, stdio: ["ignore", "ignore", "ignore"] });
}

test("leaves() says whether a process is gone from its directory in time, and waits no longer", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-stray-"));
  await using child = sleepIn(dir);
  expect(await leaves(child.pid, dir, 20)).toBe(false);
  const leaving = leaves(child.pid, dir, 5000);
  child.kill("SIGKILL");
  expect(await leaving).toBe(true);
  rmSync(dir, { recursive: true });
});

test("leaves() takes a process of another directory for another process", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-stray-"));
  await using child = sleepIn(tmpdir());
  expect(await leaves(child.pid, dir, 0)).toBe(true);
  rmSync(dir, { recursive: true });
});

test("killProcessesIn() ends what runs in a directory, and nothing else", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-stray-"));
  await using inside = sleepIn(dir);
  await using outside = sleepIn(tmpdir());
  await killProcessesIn(dir);
  await inside.exited;
  expect(inside.signalCode).toBe("SIGKILL");
  expect(outside.exitCode ?? outside.signalCode).toBeNull();
  rmSync(dir, { recursive: true });
});
