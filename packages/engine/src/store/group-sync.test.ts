import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { GroupSync } from "./group-sync.ts";

/** A group whose syncs end when they are told to, and what it did so far. */
function openGroup() {
  const done: string[] = [];
  const steps: (() => void)[] = [];
  const step = (name: string) => {
    done.push(name);
    return new Promise<void>((resolve) => steps.push(resolve));
  };
  const group = new GroupSync(() => step("all"));
  return { group, done, next: () => steps.shift()?.(), alone: (name: string) => () => step(name) };
}

test("a group lets whoever comes alone sync his own", async () => {
  const { group, done, next, alone } = openGroup();
  for (const name of ["a", "b"]) {
    const waiting = group.wait(tmpdir(), alone(name));
    next();
    await waiting;
  }
  expect(done).toEqual(["a", "b"]);
});

test("a group syncs the filesystem for who comes while another waits, and once more for all who come after that", async () => {
  const { group, done, next, alone } = openGroup();
  const first = group.wait(tmpdir(), alone("a"));
  const second = group.wait(tmpdir(), alone("b"));
  const rest = ["c", "d", "e"].map((name) => group.wait(tmpdir(), alone(name)));
  expect(done).toEqual(["a", "all"]);
  next();
  await first;
  next();
  await second;
  await Promise.resolve();
  expect(done).toEqual(["a", "all", "all"]);
  next();
  await Promise.all(rest);
});

test("a group tells that a filesystem failed to all who come after that, too", async () => {
  let isBroken = true;
  const group = new GroupSync(async () => {
    if (isBroken) throw new Error("no disk");
  });
  const alone = async () => undefined;
  await group.wait(tmpdir(), alone);
  await expect(group.wait(tmpdir())).rejects.toThrow("no disk");
  isBroken = false;
  await expect(group.wait(tmpdir(), alone)).rejects.toThrow("no disk");
});
