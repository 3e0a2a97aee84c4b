import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { startContainerd } from "../support/containerd.ts";
import { forgetStore } from "../support/engine.ts";
import { nginxLayout, pushLayout } from "../support/images.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/**
 * `content digest … not found` has three causes, and each another remedy: content of a platform that was never fetched,
 * layers that were discarded once unpacked, and content that is there in part. Each remedy is tried.
 */
let work = "";
/** Makes names that no other test has. */
let turn = 0;
let registry: PrivateRegistry;
/** Has nothing, so that a push has to bring everything. */
let empty: PrivateRegistry;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "ctr-e2e-missing-"));
  [registry, empty] = await Promise.all([startRegistry(), startRegistry()]);
  await pushLayout(registry.host, "lib/nginx", "1", await nginxLayout());
});
afterAll(async () => {
  await Promise.all([registry, empty].map((one) => one?.[Symbol.asyncDispose]()));
  await rm(work, { recursive: true, force: true });
});

interface Place {
  readonly address: string;
  close(): Promise<void>;
}

const places: readonly (readonly [string, () => Promise<Place>])[] = [
  [
    "containerd 1.6",
    async () => {
      const daemon = await startContainerd();
      return { address: daemon.address, close: async () => await daemon[Symbol.asyncDispose]() };
    },
  ],
  [
    "the embedded engine",
    async () => {
      const root = join(work, "store");
      return { address: `embedded://${root}`, close: () => forgetStore(root) };
    },
  ],
];

describe.each(places)("on %s", (_place, open) => {
  let place: Place;
  let image = "";
  beforeAll(async () => {
    place = await open();
    image = `${registry.host}/lib/nginx:1`;
  });
  afterAll(() => place.close());

  /** A namespace of the test's own. */
  function fresh() {
    const namespace = `missing-${turn++}`;
    const ctr = (...words: readonly string[]) => run([ourCtr, "-a", place.address, "-n", namespace, ...words]);
    const ok = async (...words: readonly string[]) => {
      const outcome = await ctr(...words);
      expect({ words, code: outcome.code, stderr: outcome.stderr }).toEqual({ words, code: 0, stderr: "" });
      return outcome.stdout;
    };
    return { ctr, ok };
  }

  type Tool = ReturnType<typeof fresh>;

  /** One where the image has been pulled for this machine alone, without metadata of other platforms. */
  async function pulled(): Promise<Tool> {
    const tool = fresh();
    await tool.ok("images", "pull", "--local", image);
    return tool;
  }

  async function layersOf({ ok }: Tool): Promise<readonly string[]> {
    const rows = (await ok("images", "inspect", image)).split("\n");
    return rows.flatMap((row) => /(?:layer|rootfs\.diff)\S* @(sha256:[0-9a-f]{64})/.exec(row)?.[1] ?? []);
  }

  async function snapshotsOf({ ok }: Tool): Promise<readonly string[]> {
    const rows = (await ok("snapshots", "ls")).split("\n").slice(1);
    return rows.map((row) => row.split(" ")[0] ?? "").filter(Boolean);
  }

  function told(outcome: Outcome, hint: RegExp): void {
    expect(outcome.code).toBe(1);
    const [line = "", fix = ""] = outcome.stderr.split("\n");
    expect(line).toMatch(/^ctr: .*not found$/);
    expect(fix).toMatch(hint);
  }

  const archive = () => join(work, `${turn}.tar`);
  const commands = (): readonly (readonly string[])[] => [
    ["images", "export", archive(), image],
    ["images", "push", "--local", "--platform", "linux/amd64", `${empty.host}/copy/${turn}:1`, image],
    ["images", "convert", "--uncompress", image, "converted:1"],
  ];

  test("a platform that was never fetched: export, push and convert say which are there", async () => {
    const tool = await pulled();
    const hint =
      /^hint: \S+\/lib\/nginx:1 is not here for .*linux\/arm64.*, only for linux\/amd64: take that with --platform linux\/amd64, or fetch the rest with: ctr content fetch --all-platforms \S+$/;
    told(await tool.ctr("images", "export", "--all-platforms", archive(), image), hint);
    told(await tool.ctr("images", "push", `${empty.host}/copy/${turn}:1`, image), hint);
    told(await tool.ctr("images", "convert", "--oci", "--all-platforms", image, "converted:1"), hint);
    const arm = /is not here for linux\/arm64\S*, only for linux\/amd64/;
    told(await tool.ctr("images", "convert", "--oci", "--platform", "linux/arm64", image, "converted:1"), arm);
    await tool.ok("images", "export", "--platform", "linux/amd64", archive(), image);
    await tool.ok("content", "fetch", "--all-platforms", image);
    await tool.ok("images", "export", "--all-platforms", archive(), image);
    await tool.ok("images", "push", `${empty.host}/copy/${turn}:1`, image);
    await tool.ok("images", "convert", "--oci", "--all-platforms", image, "converted:1");
  });

  test("layers that were discarded once unpacked: each says so, and the remedy helps", async () => {
    const tool = await pulled();
    for (const layer of await layersOf(tool)) await tool.ok("content", "rm", layer);
    const hint =
      /^hint: the layers of \S+ were discarded once unpacked \(discard_unpacked_layers\): fetch them again with: ctr content fetch \S+$/;
    for (const words of commands()) told(await tool.ctr(...words), hint);
    // It runs all the same.
    await tool.ok("images", "check");
    await tool.ok("content", "fetch", image);
    for (const words of commands()) await tool.ok(...words);
  });

  test("an import that discards its layers: export says so, too", async () => {
    const tool = await pulled();
    await tool.ok("images", "export", archive(), image);
    const file = archive();
    const other = fresh();
    await other.ok("images", "import", "--local", "--discard-unpacked-layers", file);
    await other.ok("leases", "create", "--id", "collect");
    await other.ok("leases", "rm", "--sync", "collect");
    told(
      await other.ctr("images", "export", archive(), image),
      /^hint: the layers of \S+ were discarded once unpacked/,
    );
    await other.ok("content", "fetch", image);
    await other.ok("images", "export", archive(), image);
  });

  test("content that is there in part: each says how much is missing, and the remedy helps", async () => {
    const tool = await pulled();
    const [layer = ""] = await layersOf(tool);
    // The topmost can always go.
    for (let keys = await snapshotsOf(tool); keys.length > 0; keys = await snapshotsOf(tool)) {
      for (const key of keys) await tool.ctr("snapshots", "rm", key);
    }
    await tool.ok("content", "rm", layer);
    const hint =
      /^hint: 1 of \d+ parts of \S+ are missing \(ctr images check name==\S+\): fetch them with: ctr content fetch \S+$/;
    for (const words of commands()) told(await tool.ctr(...words), hint);
    expect(await tool.ok("images", "check", `name==${image}`)).toContain("incomplete (");
    await tool.ok("content", "fetch", image);
    for (const words of commands()) await tool.ok(...words);
  });

  test("import: an archive that lacks what is asked of it, and export then import come round", async () => {
    const tool = await pulled();
    await tool.ok("images", "export", archive(), image);
    const file = archive();
    await fresh().ok("images", "import", file);
    const all = await fresh().ctr("images", "import", "--all-platforms", file);
    told(
      all,
      /^hint: the archive does not hold every platform that its index names: leave out --all-platforms, or choose one with --platform$/,
    );
    const arm = await fresh().ctr("images", "import", "--platform", "linux/arm64", file);
    told(arm, /^hint: the archive does not hold linux\/arm64: make it anew where the image is complete$/);
    const cut = join(work, "cut");
    await mustRun([
      "sh",
      "-c",
      `mkdir -p ${cut} && tar -C ${cut} -xf ${file} && rm ${cut}/blobs/sha256/${(await layersOf(tool))[0]?.slice(7)} && tar -C ${cut} -cf ${cut}.tar .`,
    ]);
    told(
      await fresh().ctr("images", "import", `${cut}.tar`),
      /^hint: the archive does not hold a part of the image: make it anew where the image is complete$/,
    );
  });
});
