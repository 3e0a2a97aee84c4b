import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle, removeBundle } from "./bundle.ts";

/** Takes a directory away whenever it is empty, as the removal of a namespace's last task does, until it is killed. */
const remover = `
  const { rmdirSync } = require("node:fs");
  process.stdout.write("ready");
  for (;;) for (const dir of process.argv.slice(1)) try { rmdirSync(dir); } catch {}
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
