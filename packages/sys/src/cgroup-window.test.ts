import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openCgroupWindow, ownProcsFile } from "./cgroup-window.ts";

const memberships = () => readFileSync("/proc/self/cgroup", "latin1");

function opened(path: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === path).length;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // That of the listing itself.
    return "";
  }
}

test("ownProcsFile() names the first hierarchy's file, of version 1 and of version 2", () => {
  expect(ownProcsFile("9:name=systemd:/\n8:pids:/a\n0::/\n")).toBe("/sys/fs/cgroup/systemd//cgroup.procs");
  expect(ownProcsFile("4:cpu,cpuacct:/a/b:c\n")).toBe("/sys/fs/cgroup/cpu,cpuacct/a/b:c/cgroup.procs");
  expect(ownProcsFile("0::/user.slice\n")).toBe("/sys/fs/cgroup//user.slice/cgroup.procs");
});

test("openCgroupWindow() leaves the process in its cgroups, and nothing open once disposed of", async () => {
  const before = memberships();
  const file = ownProcsFile(before).replaceAll("//", "/");
  // Without it nothing below says anything.
  expect(existsSync(file)).toBe(true);
  const window = openCgroupWindow();
  expect(opened(file)).toBe(1);
  window[Symbol.dispose]();
  window[Symbol.dispose]();
  // A write that was under way ends first, and closes the file.
  while (opened(file) > 0) await new Promise(setImmediate);
  expect(memberships()).toBe(before);
});

test("openCgroupWindow() ends by itself", async () => {
  const file = ownProcsFile(memberships()).replaceAll("//", "/");
  using _window = openCgroupWindow();
  expect(opened(file)).toBe(1);
  while (opened(file) > 0) await new Promise(setImmediate);
});
