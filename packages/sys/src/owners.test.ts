import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shiftOwners } from "./owners.ts";

const range = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });

/** These change owners, so they need root. */
function withTree(use: (dir: string, outside: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "owners-"));
  try {
    const outside = join(dir, "outside");
    writeFileSync(outside, "");
    mkdirSync(join(dir, "tree/sub"), { recursive: true });
    writeFileSync(join(dir, "tree/sub/file"), "");
    symlinkSync(outside, join(dir, "tree/link"));
    use(join(dir, "tree"), outside);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("shiftOwners() moves owners of everything below by the range they lie in", () => {
  withTree((tree) => {
    chownSync(join(tree, "sub/file"), 33, 1001);
    shiftOwners(tree, { uid: [range(0, 100000, 10), range(33, 500, 1)], gid: [range(0, 200000, 65536)] });
    const owner = (path: string) => [lstatSync(path).uid, lstatSync(path).gid];
    expect(owner(tree)).toEqual([100000, 200000]);
    expect(owner(join(tree, "sub/file"))).toEqual([500, 201001]);
  });
});

test("shiftOwners() changes a link, not what it points to", () => {
  withTree((tree, outside) => {
    lchownSync(join(tree, "link"), 1, 1);
    shiftOwners(tree, { uid: [range(0, 7000, 10)], gid: [range(0, 7000, 10)] });
    expect(lstatSync(join(tree, "link")).uid).toBe(7001);
    expect(lstatSync(outside).uid).toBe(0);
  });
});

test("shiftOwners() keeps set-id bits", () => {
  withTree((tree) => {
    chmodSync(join(tree, "sub/file"), 0o4755);
    shiftOwners(tree, { uid: [range(0, 7000, 10)], gid: [range(0, 7000, 10)] });
    expect(lstatSync(join(tree, "sub/file")).mode & 0o7777).toBe(0o4755);
  });
});

test("shiftOwners() refuses an owner outside every range", () => {
  withTree((tree) => {
    chownSync(join(tree, "sub/file"), 99, 0);
    expect(() => shiftOwners(tree, { uid: [range(0, 7000, 10)], gid: [range(0, 7000, 10)] })).toThrow("id 99");
  });
});
