import { afterEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "./store.ts";

const dirs: string[] = [];

afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function newDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "ctr-store-"));
  dirs.push(dir);
  return dir;
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("openStore() makes a store with a lasting id and directories of its own", () => {
  const dir = newDir();
  const options = { stateParent: join(dir, "run") };
  using first = openStore(join(dir, "root"), options);
  using again = openStore(join(dir, "root"), options);
  using other = openStore(join(dir, "other"), options);
  expect(first.id).toMatch(/^[0-9a-f]{12}$/);
  expect([again.id, again.state]).toEqual([first.id, first.state]);
  expect(other.id).not.toBe(first.id);
  expect(first.state).toBe(join(dir, "run", first.id));
});

test.each([0o000, 0o077])("R5: openStore() makes and mends modes under umask %o", (umask) => {
  const dir = newDir();
  const root = join(dir, "root");
  mkdirSync(root);
  chmodSync(root, 0o777);
  const before = process.umask(umask);
  try {
    using store = openStore(root, { stateParent: join(dir, "run") });
    expect(modeOf(root)).toBe(0o700);
    // A mapped root walks through it to its bundle.
    expect(modeOf(store.state)).toBe(process.geteuid?.() === 0 ? 0o711 : 0o700);
    // Other users' stores have their state beside ours.
    expect(modeOf(join(dir, "run"))).toBe(0o711);
  } finally {
    process.umask(before);
  }
});

test("S5: openStore() refuses the root of a containerd", () => {
  const dir = newDir();
  mkdirSync(join(dir, "io.containerd.metadata.v1.bolt"));
  expect(() => openStore(dir, { stateParent: join(dir, "run") })).toThrow(
    expect.objectContaining({ code: "failed_precondition" }),
  );
});

test("openStore() refuses a root that another user owns", () => {
  if (process.getuid?.() !== 0) return;
  const dir = newDir();
  const root = join(dir, "root");
  mkdirSync(root);
  Bun.spawnSync(["chown", "65534", root]);
  expect(() => openStore(root, { stateParent: join(dir, "run") })).toThrow(
    expect.objectContaining({ code: "permission_denied" }),
  );
});
