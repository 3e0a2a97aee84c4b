import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { unmountBelow } from "../support/containerd.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { checkStore } from "../support/store-check.ts";

/** A store on a file system of 24 MB of its own. */
async function openSmallDisk() {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "ctr-full-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const [file, disk] = [join(dir, "disk.img"), join(dir, "disk")];
  const root = join(disk, "root");
  await mkdir(disk);
  await mustRun(["truncate", "-s", "24M", file]);
  await mustRun(["mkfs.ext4", "-q", file]);
  await mustRun(["mount", "-o", "loop", file, disk]);
  stack.defer(() => unmountBelow(dir));
  const ctr = (...words: readonly string[]) => run([ourCtr, "--address", `embedded://${root}`, ...words]);
  expect(await ctr("namespaces", "ls")).toMatchObject({ code: 0 });
  stack.defer(() => forgetStore(root));
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const filler = join(disk, "filler");
  return {
    ...{ root, ctr, archive, stack: stack.move() },
    /** Fills the disk but for `left` bytes. */
    async fill(left: number) {
      const { bavail, bsize } = await statfs(disk);
      await writeFile(filler, Buffer.alloc(Math.max(0, bavail * bsize - left)));
    },
    empty: () => rm(filler),
  };
}

test.each([[300_000], [1_200_000]])(
  "an import with %d bytes of room says that the disk is full, and once there is room the repeat succeeds",
  async (left) => {
    const { root, ctr, archive, fill, empty, stack } = await openSmallDisk();
    await using _stack = stack;
    const words = ["images", "import", "--base-name", "full.test/busybox", archive];
    await fill(left);
    const full = await ctr(...words);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/no space left on device|disk is full/i);
    expect(checkStore(root).problems).toEqual([]);
    await empty();
    expect(await ctr(...words)).toMatchObject({ code: 0 });
    expect(await ctr("content", "verify")).toMatchObject({ code: 0 });
    expect(await ctr("run", "--rm", "full.test/busybox:latest", "once", "true")).toMatchObject({ code: 0 });
    expect(checkStore(root).problems).toEqual([]);
    using db = new Database(join(root, "meta.db"), { readonly: true });
    expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  },
);
