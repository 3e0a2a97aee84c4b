import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle, removeBundle } from "./bundle.ts";

/**
 * Takes a directory away when it is empty, as the removal of a namespace's last task does, again and again until it is
 * killed; with a tenth of a millisecond between, as otherwise nobody else would ever come to make anything in it.
 */
const remover = `
  const { rmdirSync } = require("node:fs");
  const never = new Int32Array(new SharedArrayBuffer(4));
  process.stdout.write("ready");
  for (;;) {
    for (const dir of process.argv.slice(1)) try { rmdirSync(dir); } catch {}
    Atomics.wait(never, 0, 0, 0.1);
  }
`;

test("makeBundle() makes a bundle while other tasks' removals take the namespace's directory away", async () => {
  const top = mkdtempSync(join(tmpdir(), "ctr-bundle-"));
  const [bundles, works] = [join(top, "bundles/default"), join(top, "work/default")];
  const other = Bun.spawn([process.execPath, "-e", remover, bundles, works], { stdout: "pipe" });
  try {
    await other.stdout.getReader().read();
    const bundle = join(bundles, "c1");
    const paths = {
      ...{ namespace: "default", id: "c1", store: "s", bundle },
      ...{ rootfs: join(bundle, "rootfs"), work: join(works, "c1") },
    };
    for (let times = 0; times < 200; times++) {
      makeBundle(paths, "/shim");
      expect(existsSync(join(bundle, "shim-binary-path"))).toBe(true);
      await removeBundle(paths);
    }
  } finally {
    other.kill("SIGKILL");
    await other.exited;
    rmSync(top, { recursive: true });
  }
}, 60_000);
