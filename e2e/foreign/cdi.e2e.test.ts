import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { openSpecHost } from "@ctr/client";
import { applySpecOptions, defaultSpec, encodeSpec, type Spec } from "@ctr/oci";
import { withCdiDevices } from "../../packages/oci/src/spec/cdi/with-devices.ts";
import { mustRun, run } from "../support/process.ts";

/** What we make of CDI's files against what the library of its makers does, in the version that Debian has: 0.5 of the specification. */
let dir: string;
let program: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-cdi-"));
  program = join(dir, "cdi");
  const source = resolve(import.meta.dir, "cdi.go");
  const env = {
    GO111MODULE: "off",
    GOPATH: "/usr/share/gocode",
    GOFLAGS: "",
    CGO_ENABLED: "0",
    GOCACHE: "/var/tmp/ctr-go-cache",
  };
  await mustRun(["go", "build", "-o", program, source], { env, timeoutMs: 300_000 });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

type Files = Readonly<Record<string, unknown>>;

const one = (name: string, containerEdits: object) => ({ name, containerEdits });
const file = (devices: readonly unknown[], more: object = {}) => ({
  cdiVersion: "0.5.0",
  kind: "vendor.com/class",
  devices,
  ...more,
});
const env = (name: string, ...entries: readonly string[]) => one(name, { env: entries });
const node = (deviceNode: object) => ({ "etc/v.json": file([one("d", { deviceNodes: [deviceNode] })]) });
const d = ["vendor.com/class=d"];

const cases: readonly (readonly [string, Files, readonly string[]])[] = [
  ["environment", { "etc/v.json": file([env("d", "NEW=1", "OTHER=x", "NEW=2")]) }, d],
  ["a node by its path", node({ path: "/dev/null", fileMode: 0o666 }), d],
  [
    "a node under another name",
    node({ path: "/dev/mine", hostPath: "/dev/zero", permissions: "r", fileMode: 0o666 }),
    d,
  ],
  ["a node with mode and owner", node({ path: "/dev/null", fileMode: 0o600, uid: 5, gid: 6 }), d],
  ["a node in full", node({ path: "/dev/none", type: "c", major: 1, minor: 2 }), d],
  ["a node of a kind", node({ path: "/dev/null", type: "c", fileMode: 0o666 }), d],
  ["a node of another kind", node({ path: "/dev/null", type: "b" }), d],
  ["a node that is not there", node({ path: "/dev/none" }), d],
  ["a node that is none", node({ path: "/etc/passwd" }), d],
  [
    "mounts, the outer ones first",
    {
      "etc/v.json": file([
        one("d", {
          mounts: [
            { hostPath: "/a", containerPath: "/x/y/z", options: ["ro", "bind"] },
            { hostPath: "tmpfs", containerPath: "/dev/shm", type: "tmpfs" },
            { hostPath: "/b", containerPath: "/x" },
          ],
        }),
      ]),
    },
    d,
  ],
  [
    "hooks of every name",
    {
      "etc/v.json": file([
        one("d", {
          hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"].map(
            (hookName, timeout) => ({
              hookName,
              path: `/bin/${hookName}`,
              args: ["a", "b"],
              env: ["X=1"],
              timeout: timeout + 1,
            }),
          ),
        }),
      ]),
    },
    d,
  ],
  [
    "the file's own edits once, before those of its devices",
    {
      "etc/v.json": file([env("d", "A=d"), env("e", "A=e", "B=e")], { containerEdits: { env: ["A=file", "F=1"] } }),
      "etc/w.json": file([env("f", "A=f")], { kind: "other.com/class", containerEdits: { env: ["F=2"] } }),
    },
    ["vendor.com/class=d", "other.com/class=f", "vendor.com/class=e"],
  ],
  ["a later directory's", { "etc/v.json": file([env("d", "A=1")]), "run/v.json": file([env("d", "A=2")]) }, d],
  ["two of one directory", { "etc/v.json": file([env("d", "A=1")]), "etc/w.json": file([env("d", "A=2")]) }, d],
  [
    "two of a later directory over one",
    {
      "etc/v.json": file([env("d", "A=1")]),
      "run/w.json": file([env("d", "A=2")]),
      "run/x.json": file([env("d", "A=3")]),
    },
    d,
  ],
  ["a good file beside a bad one", { "etc/bad.json": "{", "etc/v.json": file([env("d", "A=1")]) }, d],
  ["a file of another ending", { "etc/v.txt": file([env("d", "A=1")]) }, d],
  ["a file further down", { "etc/sub/v.json": file([env("d", "A=1")]) }, d],
  ["nothing", {}, d],
  ["one known and one unknown", { "etc/v.json": file([env("d", "A=1")]) }, [...d, "vendor.com/class=x"]],
  [
    "YAML",
    {
      "etc/v.yaml":
        "cdiVersion: '0.5.0'\nkind: vendor.com/class\ndevices:\n  - name: d\n    containerEdits:\n      env: [A=1]\n",
    },
    d,
  ],
  [
    "YAML with modes as C writes them",
    {
      "etc/v.yaml":
        "cdiVersion: 0.5.0\nkind: vendor.com/class\ndevices:\n- name: d\n  containerEdits:\n    deviceNodes:\n    - path: /dev/null\n      fileMode: 0640\n    - {path: /dev/zero, fileMode: 0o600, permissions: rw}\n    - {path: /dev/full, fileMode: 416}\n",
    },
    d,
  ],
  ["a member nobody knows", { "etc/v.json": file([env("d", "A=1")], { unknown: true }) }, d],
  ["a version nobody knows", { "etc/v.json": file([env("d", "A=1")], { cdiVersion: "7.0.0" }) }, d],
  ["environment that is none", { "etc/v.json": file([env("d", "=1")]) }, d],
  ["permissions nobody knows", node({ path: "/dev/null", permissions: "rx" }), d],
  ["a hook nobody knows", { "etc/v.json": file([one("d", { hooks: [{ hookName: "x", path: "/x" }] })]) }, d],
  ["a device without edits", { "etc/v.json": file([one("d", {})]) }, d],
  ["a kind without a vendor", { "etc/v.json": file([env("d", "A=1")], { kind: "class" }) }, d],
];

test.each(cases)("CDI: %s, as the Go library does", async (_title, files, names) => {
  const root = await mkdtemp(join(dir, "case-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  const dirs = [join(root, "etc"), join(root, "run")];
  const base: Spec = defaultSpec({ namespace: "default", id: "x" });
  const before: Spec = { ...base, process: { cwd: "/", user: { uid: 1000, gid: 0 }, env: ["PATH=/bin"] } };
  const theirs = await run([program, dirs.join(","), ...names], { stdin: encodeSpec(before) });
  const context = { namespace: "default", id: "x", host: openSpecHost(), rootfs: { readFile: async () => undefined } };
  const ours = await applySpecOptions(before, [withCdiDevices(names, [], { dirs })], context).then(
    (spec) => JSON.parse(new TextDecoder().decode(encodeSpec(spec))),
    (error: Error) => error,
  );
  if (theirs.code !== 0) expect(ours).toBeInstanceOf(Error);
  else expect(inOrder(ours)).toEqual(inOrder(JSON.parse(theirs.stdout)));
});

/** Debian's version leaves mounts of one depth in any order; that the outer ones come first is seen before they are sorted. */
function inOrder(spec: { mounts: { destination: string }[] }) {
  const depths = spec.mounts.map(({ destination }) => destination.split("/").length);
  return { ...spec, depths, mounts: spec.mounts.toSorted((a, b) => a.destination.localeCompare(b.destination)) };
}
