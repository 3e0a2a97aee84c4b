import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lazyModules } from "./build/lazy-modules.ts";
import { recordOrders } from "./build/record-orders.ts";

/** What differs between the executables that are built here. */
interface Variant {
  readonly outfile: string;
  readonly revision: string;
  /** With the places where crash tests tell a process to die. */
  readonly failpoints: boolean;
}

/** Writes an executable; `orders` are files that tell which functions short commands use: those are laid out together. */
async function compile({ outfile, revision, failpoints }: Variant, orders: readonly string[]): Promise<void> {
  await Bun.build({
    // The second is a worker's.
    entrypoints: ["packages/cli/src/main.ts", "packages/engine/src/diff/apply-worker.ts"],
    // In chunks, so that a command reads only the code it runs.
    splitting: true,
    format: "esm",
    minify: true,
    bytecode: true,
    define: { CTR_REVISION: JSON.stringify(revision), CTR_FAILPOINTS: String(failpoints) },
    plugins: [lazyModules],
    compile: {
      outfile,
      // Whoever owns the directory that a command is started in must have no say in it.
      autoloadBunfig: false,
      autoloadDotenv: false,
      // Compiling what runs once takes longer than running it; `main.ts` ends this for commands that last.
      jitPolicy: 100,
      bytecodeOrder: orders.length > 0 && [...orders],
    },
  });
}

/** `build.ts [once|failpoints]`: dist/ctr, built twice for its order unless `once` is said; or dist/ctr-failpoints. */
async function main(words: readonly string[]): Promise<void> {
  const revision = process.env["CTR_REVISION"] ?? "";
  if (words[0] === "failpoints") return compile({ outfile: "dist/ctr-failpoints", revision, failpoints: true }, []);
  if (words[0] === "once") return compile({ outfile: "dist/ctr", revision, failpoints: false }, []);
  const work = await mkdtemp(join(tmpdir(), "ctr-build-"));
  try {
    const first = join(work, "ctr");
    await compile({ outfile: first, revision, failpoints: false }, []);
    await compile({ outfile: "dist/ctr", revision, failpoints: false }, await recordOrders(first, work));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
