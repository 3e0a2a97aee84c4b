import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { mustRun, run } from "../support/process.ts";
import { openStage, type Stage } from "./setup.ts";

const repo = resolve(import.meta.dir, "../..");
let stage: Stage;
let consumer: string;

/** Somebody else's project: the built package in its node_modules, and the example. */
beforeAll(async () => {
  stage = await openStage("sdk");
  consumer = await mkdtemp(join(tmpdir(), "ctr-sdk-"));
  for (const scope of ["@ctr", "@types", "@bufbuild"])
    await mkdir(join(consumer, "node_modules", scope), { recursive: true });
  await mustRun(["bash", join(repo, "scripts/build-sdk.sh"), join(consumer, "node_modules/@ctr/sdk")]);
  for (const name of ["@types/node", "undici-types", "@bufbuild/protobuf"]) {
    await symlink(join(repo, "node_modules", name), join(consumer, "node_modules", name));
  }
  const example = await readFile(join(repo, "examples/run.ts"), "utf8");
  await writeFile(join(consumer, "run.ts"), example.replace("@ctr/client", "@ctr/sdk"));
  await writeFile(join(consumer, "package.json"), '{"type":"module"}');
}, 120_000);

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  await rm(consumer, { recursive: true, force: true });
});

test("a consumer's tsc accepts the declarations", async () => {
  const compilerOptions = {
    module: "NodeNext",
    moduleResolution: "NodeNext",
    target: "ES2022",
    lib: ["ES2023", "ESNext.Disposable"],
    types: ["node"],
    strict: true,
    noEmit: true,
  };
  await writeFile(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["run.ts"] }));
  const checked = await run([join(repo, "node_modules/.bin/tsc"), "-p", consumer]);
  expect(checked.stdout + checked.stderr).toBe("");
  expect(checked.code).toBe(0);
});

test.each([
  ["Node", "node"],
  ["Bun", join(repo, "node_modules/.bin/bun")],
])("examples/run.ts runs on %s", async (_name, engine) => {
  const program = join(consumer, "run.mjs");
  // The consumer's own build lowers its own `await using`.
  await mustRun([
    join(repo, "node_modules/.bin/bun"),
    ...["build", join(consumer, "run.ts"), "--target", "node", "--format", "esm", "--packages", "external"],
    ...["--outfile", program],
  ]);
  const env = { CONTAINERD_ADDRESS: stage.daemon.address, CONTAINERD_NAMESPACE: stage.client.namespace };
  const ran = await run([engine, program, stage.busybox], { env: { PATH: process.env["PATH"] ?? "", ...env } });
  expect(ran).toMatchObject({ code: 0, stdout: "hi from a container\n", stderr: "" });
  expect(await stage.client.containers.list()).toEqual([]);
});

test.each([
  ["Node", "node"],
  ["Bun", join(repo, "node_modules/.bin/bun")],
])("a container is connected to a network and taken from it on %s", async (name, engine) => {
  const [plugins, configDir, cacheDir] = ["plugins", "net.d", "cache"].map((part) => join(consumer, `${name}-${part}`));
  for (const dir of [plugins, configDir]) await mkdir(dir ?? "");
  const plugin = `#!/bin/sh\necho "$CNI_COMMAND" >>${plugins}/log; echo '{"ips":[{"address":"10.0.0.9/24"}]}'\n`;
  await writeFile(`${plugins}/plug`, plugin, { mode: 0o755 });
  await writeFile(`${configDir}/a.conf`, JSON.stringify({ cniVersion: "1.0.0", name: "net", type: "plug" }));
  const cni = { pluginDirs: [plugins], configDir, cacheDir };
  const options = {
    image: stage.busybox,
    id: `net-${name}`,
    args: ["sleep", "9"],
    io: { kind: "null" },
    network: "cni",
    cni,
  };
  const program = join(consumer, `${name}.mjs`);
  await writeFile(
    program,
    `import { connect } from "@ctr/sdk";
    const client = await connect(${JSON.stringify({ address: stage.daemon.address, namespace: stage.client.namespace })});
    await client.images.pull(${JSON.stringify(stage.busybox)});
    const task = await client.run(${JSON.stringify(options)});
    console.log(task.network.addresses.join());
    await task[Symbol.asyncDispose]();
    await client[Symbol.asyncDispose]();`,
  );
  const ran = await run([engine, program], { env: { PATH: process.env["PATH"] ?? "" } });
  expect(ran).toEqual({ code: 0, stdout: "10.0.0.9/24\n", stderr: "" });
  expect(await readFile(`${plugins}/log`, "utf8")).toBe("ADD\nDEL\n");
  expect(await readdir(`${cacheDir}/results`)).toEqual([]);
  expect(await readdir("/run/ctr/netns")).not.toContain(`${stage.client.namespace}-net-${name}`);
});
