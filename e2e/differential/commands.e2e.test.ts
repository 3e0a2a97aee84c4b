import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { referenceCommands } from "../parity/reference.ts";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { engineKind } from "../support/engine.ts";
import { mediaTypes, writeLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { asGoWouldWrite, type Spec } from "./deliberate.ts";
import { goNamespace, ourNamespace, records } from "./harness.ts";
import { mask } from "./masks.ts";
import { busybox, sharedArena } from "./setup.ts";

/** The commands of the Go ctr 1.6 that the other files of the suite do not compare. */
const arena = sharedArena();
beforeAll(arena.open);
afterAll(arena.close);

test("every command of the Go ctr 1.6 is compared somewhere in this suite", async () => {
  const files = (await readdir(import.meta.dir)).filter((name) => name.endsWith(".e2e.test.ts"));
  const text = (await Promise.all(files.map((name) => readFile(join(import.meta.dir, name), "utf8")))).join("\n");
  const lacking = referenceCommands
    .filter(({ name, group, isNew, hidden }) => name !== "" && !group && !isNew && !hidden)
    .filter(({ name, aliases }) => {
      const path = name.split(" ");
      const words = [path.at(-1) ?? "", ...aliases].map((word) => JSON.stringify(word)).join("|");
      return !namesOf(path.slice(0, -1)).some((group) => new RegExp(`${group}(?:${words})`).test(text));
    });
  expect(lacking.map(({ name }) => name)).toEqual([]);
});

/** A group by each of its names, as the beginning of an argument list; its own flags may follow. */
function namesOf(path: readonly string[]): readonly string[] {
  const group = referenceCommands.find(({ name }) => name === path.join(" "));
  if (path.length === 0 || group === undefined) return [""];
  const flags = group.flags.length > 0 ? "[^\\]]*?" : "";
  const names = [path, ...group.aliases.map((alias) => [...path.slice(0, -1), alias])];
  return names.map((words) => `${words.map((word) => `"${word}", `).join("")}${flags}`);
}

test("version: the same server", async () => {
  const { pair } = arena.now;
  const [ours, theirs] = [await pair.ours(["version"]), await pair.go(["version"], goNamespace)];
  const server = (text: string) => text.slice(text.indexOf("\nServer:"));
  expect([ours.code, server(ours.stdout)]).toEqual([theirs.code, server(theirs.stdout)]);
});

test("plugins: list, ids, details and filters", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["plugins", "ls"],
    ["plugins", "list", "-q"],
    ["plugins", "ls", "type==io.containerd.snapshotter.v1"],
    ["plugins", "ls", "id==nosuch"],
    { argv: ["plugins", "ls", "-d"], stdout: "unordered" },
    { argv: ["plugins", "ls", "-d", "id==overlayfs"], stdout: "unordered" },
    ["plugins", "ls", "bad filter"],
  ]);
});

test("oci spec: but for what 2.4 does otherwise, the same", async () => {
  const [ours, theirs] = [await mustRun([ourCtr, "oci", "spec"]), await mustRun([goCtr, "oci", "spec"])];
  const [our, their]: Spec[] = [JSON.parse(ours), JSON.parse(theirs)];
  expect(our && their && asGoWouldWrite(our, their)).toEqual(their);
});

test("content edit: the new blob's digest; an editor that fails, one that changes nothing, and none", async () => {
  const { pair } = arena.now;
  const text = "to be edited\n";
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
  const edit = (...words: readonly string[]) => ({ argv: ["content", "edit", ...words, digest], env: { EDITOR: "" } });
  await pair.step({ argv: ["content", "ingest", "edited"], stdin: text });
  await pair.steps([
    edit("--editor", "sh -c 'echo more >>$0'"),
    edit("--editor", "true"),
    edit("--editor", "false"),
    edit(),
    edit("--validate", "x", "--editor", "true"),
    { argv: ["content", "edit", "--editor", "true", "nonsense"] },
    ["content", "edit", "--editor", "true", `sha256:${"0".repeat(64)}`],
  ]);
  await pair.sameContent();
});

test("snapshots diff: the same bytes, stored with the same labels", async () => {
  const { pair } = arena.now;
  const top = (await pair.go(["snapshots", "ls"], goNamespace)).stdout.split("\n").at(-2)?.split(" ")[0] ?? "";
  const plain = ["--media-type", "application/vnd.oci.image.layer.v1.tar"];
  await pair.steps([
    // First: a blob that is there, collected or not, gets no labels.
    ["snapshots", "diff", ...plain, "--keep", "--label", "a=b", top],
    ["snapshots", "diff", top],
    ["snapshots", "diff", ...plain, top],
    ["snapshots", "diff", "--media-type", "foo", top],
    ["snapshots", "diff", "nosuch"],
    ["snapshots", "prepare", "diffed", top],
    ["snapshots", "diff", ...plain, "diffed"],
    ["snapshots", "diff", ...plain, top, "diffed"],
    ["snapshots", "rm", "diffed"],
  ]);
  await pair.sameState(records.snapshots, records.leases);
  await pair.sameContent();
});

test("snapshots unpack: of an image that was only stored", async () => {
  const { pair, archives } = arena.now;
  await pair.prepare(["images", "rm", "--sync", busybox]);
  await pair.prepare(["images", "import", "--no-unpack", "--base-name", "docker.io/library/busybox", archives.busybox]);
  const digest = /sha256:[0-9a-f]{64}/.exec((await pair.go(["images", "ls", `name==${busybox}`], goNamespace)).stdout);
  await pair.step({ argv: ["snapshots", "unpack", digest?.[0] ?? ""] });
  await pair.step({ argv: ["snapshots", "unpack", "--snapshotter", "native", digest?.[0] ?? ""] });
  await pair.sameState(records.snapshots, ["snapshots", "--snapshotter", "native", "ls"], records.leases);
  await pair.sameContent();
});

test("containers checkpoint and restore: the same index, and the same refusals", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["containers", "create", busybox, "kept", "sleep", "1000"],
    ["containers", "checkpoint", "kept", "kept:1"],
    ["containers", "checkpoint", "--image", "kept", "kept:2"],
    ["containers", "checkpoint", "kept", "kept:1"],
    ["containers", "checkpoint", "kept"],
    ["containers", "checkpoint"],
    ["containers", "checkpoint", "nosuch", "x"],
    ["containers", "restore"],
    ["containers", "restore", "new"],
    ["containers", "restore", "new", "kept:1"],
    ["containers", "restore", "new", busybox],
    ["tasks", "checkpoint"],
    ["tasks", "checkpoint", "nosuch"],
    ["tasks", "checkpoint", "kept"],
  ]);
  await pair.sameState(records.images, records.containers, records.leases);
  await pair.sameContent();
  await pair.prepare(["containers", "rm", "kept"], ["images", "rm", "--sync", "kept:1", "kept:2"]);
});

test("tasks attach: what is typed goes in, what is written comes out, and the exit code is passed on", async () => {
  const { pair } = arena.now;
  for (const [tool, namespace] of [
    ["ours", ourNamespace],
    ["base", goNamespace],
  ] as const) {
    const script = "read x; echo got $x; echo bad >&2; exit 3";
    const made = await pair.go(["run", "-d", busybox, `attach-${tool}`, "sh", "-c", script], namespace);
    expect(made.code).toBe(0);
  }
  const stdin = "typed\n";
  const ours = await pair.ours(["tasks", "attach", "attach-ours"], { stdin });
  const theirs = await pair.go(["tasks", "attach", "attach-base"], goNamespace, { stdin });
  expect(ours).toEqual(theirs);
  expect(ours).toMatchObject({ code: 3, stdout: "got typed\n" });
  await pair.steps([
    ["tasks", "attach", "nosuch"],
    ["tasks", "attach"],
  ]);
  expect((await pair.ours(["containers", "rm", "attach-ours"])).code).toBe(0);
  expect((await pair.go(["containers", "rm", "attach-base"], goNamespace)).code).toBe(0);
});

test("install: the same files in the same places", async () => {
  const { pair, dir } = arena.now;
  const work = join(dir, "tools");
  for (const each of ["bin", "lib", "etc"]) await mkdir(join(work, "root", each), { recursive: true });
  await writeFile(join(work, "root/bin/tool"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(work, "root/lib/lib.so"), "library");
  await writeFile(join(work, "root/etc/none"), "not this");
  const image = { os: "linux", architecture: "amd64", layers: [join(work, "root")], config: {} };
  const layout = await writeLayout(work, mediaTypes.oci, [image]);
  const archive = join(work, "tools.tar");
  await mustRun(["tar", "-C", layout, "-cf", archive, "blobs", "index.json", "oci-layout"]);
  await pair.prepare(["images", "import", "--base-name", "docker.io/library/tools", archive]);
  const name = "docker.io/library/tools:latest";
  const [here, libs] = [join(work, "$NS"), join(work, "$NS-libs")];
  for (const namespace of [ourNamespace, goNamespace]) {
    // The Go tool makes no directories where the image has no entries for them.
    for (const suffix of ["", "-libs"]) await mkdir(join(work, `${namespace}${suffix}`), { recursive: true });
  }
  await pair.steps([
    ["install", "--path", here, name],
    ["install", "--libs", "--path", libs, name],
    ["install", "--path", here, name],
    ["install", "--replace", "--path", here, name],
    ["install", "--path", here, "nosuch"],
    ["install"],
  ]);
  const tree = (namespace: string) =>
    mustRun([
      "sh",
      "-c",
      `cd ${work} && find ${namespace} ${namespace}-libs -type f -printf '%m %U:%G %s %p\n' | sort`,
    ]);
  expect(mask(await tree(ourNamespace))).toBe(mask(await tree(goNamespace)));
});

test("events: the same lines, but for how times in them are written", async () => {
  const { pair, address } = arena.now;
  const followers = [
    Bun.spawn([ourCtr, "-a", pair.engine.ourAddress, "events"], { stdout: "pipe", stderr: "inherit" }),
    Bun.spawn([goCtr, "-a", address, "events"], { stdout: "pipe", stderr: "inherit" }),
  ];
  const texts = ["", ""];
  let wake = () => {};
  const reading = followers.map(async (follower, at) => {
    const decoder = new TextDecoder();
    for await (const chunk of follower.stdout) {
      texts[at] += decoder.decode(chunk, { stream: true });
      wake();
    }
  });
  const heard = async (words: string) => {
    while (!texts.every((text) => text.includes(words))) await new Promise<void>((resolve) => (wake = resolve));
  };
  // Nothing tells when a subscription stands: marks are made until one comes through to both.
  let listening = false;
  const first = heard("/namespaces/create").then(() => {
    listening = true;
  });
  for (let mark = 0; !listening; mark++) await pair.go(["namespaces", "create", `mark${mark}`], goNamespace);
  await first;
  await pair.go(["namespaces", "create", "begin"], goNamespace);
  await pair.go(["images", "tag", busybox, "docker.io/library/event:1"], goNamespace);
  await pair.go(["run", "--rm", busybox, "eventful", "true"], goNamespace);
  await pair.go(["images", "rm", "docker.io/library/event:1"], goNamespace);
  await pair.go(["namespaces", "create", "end"], goNamespace);
  await heard('"name":"end"');
  for (const follower of followers) follower.kill("SIGINT");
  await Promise.all([...followers.map(({ exited }) => exited), ...reading]);
  const [ours = [], theirs = []] = texts.map((text) =>
    text
      .slice(text.indexOf('{"name":"begin"}'))
      .split("\n")
      .map((line) => {
        // 2.4 writes seconds and nanos, 1.6 RFC 3339; and 1.6 does not know that daemons tell the snapshotter.
        const timeless = line.replace(/"exited_at":(?:\{[^}]*\}|"[^"]*")/, '"exited_at":<time>');
        return timeless.replace(/,"snapshotter":"overlayfs"(?=\}$)/, "");
      }),
  );
  expect(theirs.length).toBeGreaterThan(10);
  expect(ours).toEqual(theirs);
});

test("shim: state, start, exec and delete", async () => {
  const { pair } = arena.now;
  await pair.prepare(["run", "-d", "--null-io", busybox, "shimmed", "sleep", "1000"]);
  try {
    if (engineKind() === "containerd") await compareShims();
    else await onlyEmbeddedFindsIt();
  } finally {
    await pair.prepare(["tasks", "rm", "-f", "shimmed"], ["containers", "rm", "shimmed"]);
  }
});

/** By a socket shims are looked for where containerd 1.6 puts them; an embedded engine knows where its own are. */
async function onlyEmbeddedFindsIt(): Promise<void> {
  const { pair } = arena.now;
  const outcomes = [
    await pair.go(["shim", "--id", "shimmed", "state"], goNamespace),
    await pair.ours(["shim", "--id", "shimmed", "state"]),
  ];
  expect(outcomes.map(({ code }) => code)).toEqual([1, engineKind() === "embedded" ? 0 : 1]);
}

async function compareShims(): Promise<void> {
  const { pair } = arena.now;
  const state = async (outcome: Promise<{ stdout: string }>) => JSON.parse(mask((await outcome).stdout));
  const [ours, theirs] = [
    await state(pair.ours(["shim", "--id", "shimmed", "state"])),
    await state(pair.go(["shim", "--id", "shimmed", "state"], goNamespace)),
  ];
  const { pid: ourPid, exited_at: _ours, ...our } = ours;
  const { pid: theirPid, exited_at: _theirs, ...their } = theirs;
  expect([typeof ourPid, typeof theirPid]).toEqual(["number", "number"]);
  expect(our).toEqual(their);
  await pair.steps([
    ["shim", "--id", "shimmed", "start", "shimmed"],
    ["shim", "--id", "shimmed", "exec", "--spec", "/no/such.json", "e1"],
    ["shim", "--id", "shimmed", "exec"],
    ["shim", "--id", "shimmed", "delete", "shimmed"],
  ]);
  // Where an exec could succeed, 1.6 panics: what ours does is tested beside the other shim commands.
}

test("pprof: where there is nothing to ask, each says the same", async () => {
  const { pair, dir } = arena.now;
  const nowhere = join(dir, "no.sock");
  await pair.steps([
    ["pprof", "-d", nowhere, "block"],
    ["pprof", "-d", nowhere, "goroutines"],
    ["pprof", "-d", nowhere, "heap"],
    ["pprof", "-d", nowhere, "profile", "-s", "1s"],
    ["pprof", "-d", nowhere, "threadcreate"],
    ["pprof", "-d", nowhere, "trace", "-s", "1s"],
  ]);
});

test("help: of the program", async () => {
  const [ours, theirs] = [await run([ourCtr, "help"]), await run([goCtr, "help"])];
  expect([ours.code, ours.stderr]).toEqual([theirs.code, theirs.stderr]);
});
