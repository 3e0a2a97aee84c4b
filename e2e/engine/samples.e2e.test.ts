import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { introspectionTypes } from "@ctr/api";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout, mediaTypes, pushLayout, writeLayout } from "../support/images.ts";
import { run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { openTerminal } from "../support/terminal.ts";

/**
 * What the Go ctr 2.4 prints where 1.6, which the differential suite compares with, has no such command or another form:
 * recorded samples, with what must differ from run to run masked.
 */
let work = "";
let registry: PrivateRegistry;
let many = "";
const busybox = "docker.io/library/busybox:latest";

async function ctr(...words: readonly string[]) {
  return await run([ourCtr, "--address", `embedded://${join(work, "store")}`, ...words], {
    env: { PATH: `${join(work, "bin")}:${process.env["PATH"]}` },
  });
}

async function printed(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await ctr(...words);
  expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
  return stdout;
}

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "ctr-e2e-samples-"));
  registry = await startRegistry();
  many = `${registry.host}/lib/multi:v1`;
  await mkdir(join(work, "one"));
  await mkdir(join(work, "two"));
  await writeFile(join(work, "one/file"), "one\n");
  await writeFile(join(work, "two/file"), "two\n");
  await mkdir(join(work, "three"));
  await writeFile(join(work, "three/file"), "three\n");
  const [one, two, three] = [join(work, "one"), join(work, "two"), join(work, "three")];
  const dir = await writeLayout(work, mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [one, two], config: {} },
    { os: "linux", architecture: "arm64", variant: "v8", layers: [three], config: {} },
  ]);
  const [target] = (await Bun.file(join(dir, "index.json")).json()).manifests;
  await pushLayout(registry.host, "lib/multi", "v1", { dir, target });
  await archiveOf(await busyboxLayout(), join(work, "busybox.tar"));
  await printed("images", "import", "--base-name", "docker.io/library/busybox", join(work, "busybox.tar"));
  await printed("images", "pull", "--local", "--all-metadata", many);
  await printed("images", "label", many, "a=b");
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await forgetStore(join(work, "store"));
  await rm(work, { recursive: true, force: true });
});

/** What no two runs have in common, by its form. */
const masks: readonly (readonly [RegExp, string])[] = [
  [/sha256:[0-9a-f]{64}/g, "<digest>"],
  [/\((?:[0-9a-f]{12})\)/g, "(<hex>)"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \+0000 UTC/g, "<Go time>"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z/g, "<time>"],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uuid>"],
  [/127\.0\.0\.1:\d+/g, "<host>"],
  [/(?<=\()\d+(?= bytes\))/g, "<n>"],
];

const masked = (text: string) => masks.reduce((shown, [token, word]) => shown.replace(token, word), text);

test("info", async () => {
  const shown = masked(await printed("info")).replace(/(?<="pid(?:ns)?": )\d+/g, "<n>");
  expect(shown).toBe(`{
    "server": {
        "uuid": "<uuid>",
        "pid": <n>,
        "pidns": <n>
    }
}
`);
});

test("deprecations list: nothing at all, not even a header, where there are none", async () => {
  expect(await printed("deprecations", "list")).toBe("");
});

test("version: the same two blocks as ever", async () => {
  expect(masked(await printed("version"))).toMatch(
    /^Client:\n {2}Version: {2}\S+\n {2}Revision: \S*\n {2}Go version: .+\n\nServer:\n {2}Version: {2}\S+\n {2}Revision: \S*\n {2}UUID: <uuid>\n$/,
  );
});

test("plugins inspect-runtime", async () => {
  const { RuntimeInfo } = introspectionTypes;
  await mkdir(join(work, "bin"), { recursive: true });
  const shim = join(work, "bin/containerd-shim-runc-v2");
  await writeFile(
    join(work, "answer"),
    RuntimeInfo.encode(RuntimeInfo.fromPartial({ name: "n", version: { version: "1", revision: "r" } })).finish(),
  );
  await writeFile(shim, `#!/bin/sh\n[ "$1" = -info ] || exit 9\ncat >/dev/null; cat ${join(work, "answer")}\n`);
  await chmod(shim, 0o755);
  try {
    expect(await printed("plugins", "inspect-runtime")).toBe(`{
    "Name": "n",
    "Version": {
        "Version": "1",
        "Revision": "r"
    },
    "Options": null,
    "Features": null,
    "Annotations": {}
}
`);
  } finally {
    await rm(shim);
  }
});

test("content fetch-blob: the blob and nothing else", async () => {
  const tree = await printed("images", "inspect", many);
  const digest = /config\.v1\+json @(sha256:[0-9a-f]{64})/.exec(tree)?.[1] ?? "";
  const fetched = await printed("content", "fetch-blob", "--plain-http", many, digest);
  expect(fetched).toBe(await printed("content", "get", digest));
});

test("images inspect: the tree of an index", async () => {
  expect(masked(await printed("images", "inspect", many))).toBe(`<host>/lib/multi:v1
│    Created: <Go time>
│    Updated: <Go time>
│    Label "a": "b"
└── application/vnd.oci.image.index.v1+json @<digest> (<n> bytes)
    ├── application/vnd.oci.image.manifest.v1+json @<digest> (<n> bytes)
    │   │    Platform: linux/amd64
    │   ├── application/vnd.oci.image.config.v1+json @<digest> (<n> bytes)
    │   ├── application/vnd.oci.image.layer.v1.tar+gzip @<digest> (<n> bytes)
    │   └── application/vnd.oci.image.layer.v1.tar+gzip @<digest> (<n> bytes)
    └── application/vnd.oci.image.manifest.v1+json @<digest> (<n> bytes)
        │    Platform: linux/arm64/v8
        ├── application/vnd.oci.image.config.v1+json @<digest> (<n> bytes)
        └── application/vnd.oci.image.layer.v1.tar+gzip @<digest> (<n> bytes)
            └──  Content does not exist locally, skipping
`);
});

test("images inspect --content: labels and JSON in boxes", async () => {
  const shown = masked(await printed("images", "inspect", "--content", busybox));
  expect(shown).toContain(`└── application/vnd.oci.image.manifest.v1+json @<digest> (<n> bytes)
    │    ┌────────Labels─────────
    │    │"containerd.io/gc.ref.content.config": "<digest>"
`);
  expect(shown).toContain(`    │    └───────────────────────
    │    ┌────────Content────────
    │    │{
    │    │   "schemaVersion": 2,
`);
});

test("images usage: a row per snapshot, from the top to the base", async () => {
  expect(
    masked(await printed("images", "usage", many))
      .replace(/ +/g, " ")
      .replace(/\d+\.\d KiB \d+/g, "<size> <n>"),
  ).toBe("KEY SIZE INODES \n<digest> <size> <n> \n<digest> <size> <n> \n");
});

test("images tag: each name once it is there", async () => {
  const names = ["docker.io/library/a:1", "docker.io/library/b:1"];
  expect(await printed("images", "tag", busybox, ...names)).toBe(`${names.join("\n")}\n`);
  await printed("images", "rm", ...names);
});

test("images export: nothing", async () => {
  expect(await printed("images", "export", join(work, "out.tar"), busybox)).toBe("");
});

test("images build-erofs-cache and convert: the directory, the digest", async () => {
  const cache = join(work, "cache");
  expect(await printed("images", "build-erofs-cache", busybox, cache)).toBe(`${cache}\n`);
  const converted = await printed("images", "convert", "--erofs", "raw", busybox, "docker.io/library/erofs:1");
  expect(masked(converted)).toBe("<digest>\n");
  await printed("images", "rm", "docker.io/library/erofs:1");
});

/** What stands on a terminal at the end: frames are drawn over one another. */
async function lastFrame(...words: readonly string[]): Promise<readonly string[]> {
  const argv = [ourCtr, "--address", `embedded://${join(work, "store")}`, ...words];
  using terminal = openTerminal(argv, { columns: 200, rows: 50 });
  expect(await terminal.exited).toBe(0);
  // A line is erased by going up, clearing it and going to its start.
  const frame = terminal.output.split(/(?:\p{Cc}\[1A\p{Cc}\[2K\r)+/u).at(-1) ?? "";
  return frame.replaceAll("\r\n", "\n").split("\n").filter(Boolean).map(masked);
}

const bar = `|\u001b[32m${"+".repeat(38)}\u001b[0m|`;
const status = (words: string) =>
  new RegExp(`^${words}\telapsed: [\\d.]+ *s\ttotal: [ \\d.KMGiB]{7}\t\\([\\d.]+ [KMGT]?i?B/s\\)\t$`);

test("images pull: the tree of what was fetched and unpacked", async () => {
  await printed("images", "rm", "--sync", many);
  const lines = await lastFrame("images", "pull", many);
  const pad = (text: string) => text.padEnd(40);
  // The digest's twelve digits are as wide as their mask is not.
  const cell = (name: string) => name.replace("<hex>", "0".repeat(12)).padEnd(40).replace("0".repeat(12), "<hex>");
  expect(lines[0]).toBe(`${pad(many).replace(registry.host, "<host>")}\tsaved\t`);
  expect(lines.slice(1, -2).toSorted()).toEqual(
    [
      `${cell("└──index (<hex>)")}\tcomplete   \t${bar}\t`,
      `${cell("   ├──manifest (<hex>)")}\tcomplete   \t${bar}\t`,
      `${cell("   │  ├──config (<hex>)")}\tcomplete   \t${bar}\t`,
      `${cell("   │  ├──layer (<hex>)")}\textracted  \t${bar}\t`,
      `${cell("   │  └──layer (<hex>)")}\textracted  \t${bar}\t`,
      `${cell("   └──manifest (<hex>)")}\tcomplete   \t${bar}\t`,
      `${cell("      └──config (<hex>)")}\tcomplete   \t${bar}\t`,
    ].toSorted(),
  );
  expect(lines.at(-2)).toBe("application/vnd.oci.image.index.v1+json <digest>");
  expect(lines.at(-1)).toMatch(status("(?:Pulling from|Completed pull from) OCI Registry \\(<host>/lib/multi:v1\\)"));
});

test("images import: what was saved", async () => {
  const lines = await lastFrame(
    "images",
    "import",
    "--base-name",
    "docker.io/library/busybox",
    join(work, "busybox.tar"),
  );
  expect(lines[0]).toBe(`${busybox.padEnd(40)}\tsaved\t`);
  expect(lines.at(-2)).toBe("application/vnd.oci.image.manifest.v1+json <digest>");
  expect(lines.at(-1)).toMatch(status("(?:Importing|Completed import)"));
});

test("images push: the tree of what was sent", async () => {
  const lines = await lastFrame("images", "push", `${registry.host}/copy/busybox:1`, busybox);
  expect(lines[0]).toBe(`${busybox.padEnd(40)}\tpushed content\t`);
  // A name with the reference it was given is cut at 40 characters.
  const sent = /──(?:manifest latest@sha256:[0-9a-f]{14}|(?:config|layer) \(<hex>\) *)\tcomplete {3}\t/;
  expect(lines.filter((line) => sent.test(line))).toHaveLength(3);
  expect(lines.at(-1)).toMatch(status("(?:Pushing to|Completed push to) OCI Registry \\(<host>/copy/busybox:1\\)"));
});

test("tasks ps, snapshots tree and mounts: as 2.4 words them", async () => {
  await printed("run", "-d", "--null-io", busybox, "w1", "sleep", "1000");
  await printed("tasks", "exec", "-d", "--exec-id", "e2", "w1", "sleep", "1000");
  expect((await printed("tasks", "ps", "w1")).replace(/^\d+ +/gm, "<pid> ")).toMatch(
    /^PID +INFO\n<pid> -\n<pid> exec_id:"e2"\n$/,
  );
  const tree = masked(await printed("snapshots", "tree"));
  expect(tree).toContain("\n  \\_ <digest>\n");
  expect(tree).toContain("\n  \\_ w1\n");
  await printed("snapshots", "prepare", "k1");
  const mounts = await printed("snapshots", "mounts", "/mnt/x", "k1");
  expect(mounts.replace(/\/\S+\/snapshots\/\d+\//, "/…/<n>/")).toBe("mount -t bind /…/<n>/fs /mnt/x -o rw,rbind\n");
  await printed("snapshots", "rm", "k1");
  await ctr("tasks", "rm", "-f", "w1");
  await printed("containers", "rm", "w1");
});

test("events: a line is time, namespace, topic and a body of snake-case names with times as seconds and nanos", async () => {
  const command = [ourCtr, "--address", `embedded://${join(work, "store")}`, "events"];
  using follower = openTerminal(command, { columns: 1000 });
  let listening = false;
  const first = follower.waitFor(/\/namespaces\/create/).then(() => {
    listening = true;
  });
  // Nothing tells when it listens but that it hears.
  for (let turn = 0; !listening; turn++) await printed("namespaces", "create", `mark${turn}`);
  await first;
  await printed("run", "--rm", busybox, "ev1", "true");
  await follower.waitFor(/\/containers\/delete/);
  follower.type("\x03");
  await follower.exited;
  const lines = masked(follower.output.replaceAll("\r\n", "\n")).split("\n");
  expect(lines.map((line) => line.replace(/(?<="(?:pid|seconds|nanos)":)\d+/g, "<n>"))).toEqual(
    expect.arrayContaining([
      '<Go time> default /tasks/start {"container_id":"ev1","pid":<n>}',
      '<Go time> default /tasks/exit {"container_id":"ev1","id":"ev1","pid":<n>,"exited_at":{"seconds":<n>,"nanos":<n>}}',
    ]),
  );
});

test("sandboxes list and info; remove says so on stderr", async () => {
  const config = join(work, "sandbox.json");
  await writeFile(config, JSON.stringify({ ociVersion: "1.0.2" }));
  await ctr("sandboxes", "run", config, "sb1");
  expect(masked(await printed("sandboxes", "list")).replace(/ +/g, " ")).toBe(
    "ID CREATED RUNTIME \nsb1 <Go time> io.containerd.runc.v2 \n",
  );
  const keys = ["ID", "Labels", "Runtime", "Spec", "Sandboxer", "CreatedAt", "UpdatedAt", "Extensions"];
  expect(Object.keys(JSON.parse(await printed("sandboxes", "info", "sb1")))).toEqual(keys);
  const { code, stdout, stderr } = await ctr("sandboxes", "remove", "sb1");
  expect({ code, stdout, stderr: masked(stderr) }).toEqual({
    code: 0,
    stdout: "",
    stderr: 'time="<time>" level=info msg="deleted: sb1"\n',
  });
});

test("shim shutdown: nothing, and no effect while a task exists", async () => {
  await printed("run", "-d", "--null-io", busybox, "minded", "sleep", "1000");
  expect(await printed("shim", "--id", "minded", "shutdown")).toBe("");
  expect(JSON.parse(await printed("shim", "--id", "minded", "state"))).toMatchObject({ id: "minded", status: 2 });
  await ctr("tasks", "rm", "-f", "minded");
  await printed("containers", "rm", "minded");
});

test("images prune: a warning without --all; with it a line on stderr for each", async () => {
  const without = await ctr("images", "prune");
  expect({ ...without, stderr: masked(without.stderr) }).toEqual({
    code: 0,
    stdout: "",
    stderr: 'time="<time>" level=warning msg="No images pruned. `image prune` requires --all to be specified."\n',
  });
  const { code, stdout, stderr } = await ctr("images", "prune", "--all");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect(masked(stderr).split("\n").toSorted()).toEqual(
    [
      "",
      `time="<time>" level=info msg="deleted image: ${busybox}\\n"`,
      'time="<time>" level=info msg="deleted image: <host>/lib/multi:v1\\n"',
    ].toSorted(),
  );
});
