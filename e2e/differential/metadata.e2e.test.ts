import { afterAll, beforeAll, test } from "bun:test";
import { records } from "./harness.ts";
import { busybox, nginx, sharedArena } from "./setup.ts";

const arena = sharedArena();
beforeAll(arena.open);
afterAll(arena.close);

test("namespaces: create, list, label, remove", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["namespaces", "label", "$NS", "a=b", "c"],
    ["ns", "label", "$NS", "a="],
    ["ns", "label", "$NS"],
    ["namespace", "create"],
    ["ns", "create", "$NS"],
    ["ns", "create", "bad/ns"],
    ["ns", "create", "$NS-more", "k=v"],
    ["ns", "rm", "$NS-more"],
    ["ns", "rm", "$NS-more"],
    ["ns", "rm"],
    ["ns", "label", "no-such-ns", "a=b"],
    ["ns", "label"],
    ["ns", "rm", "$NS"],
  ]);
  await pair.step({ argv: ["ns", "ls"] });
  await pair.step({ argv: ["ns", "ls", "-q"] });
});

test("leases: create, list, delete", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["leases", "ls"],
    ["leases", "create", "--id", "l1", "a=b", "c"],
    ["leases", "create", "--id", "l1"],
    ["leases", "create", "--id", "l2", "--expires", "0"],
    ["leases", "create", "--id", "l3", "-x", "5s"],
    ["leases", "create", "--id", "bad id"],
    ["leases", "create", "k=v"],
    ["leases", "ls", "-q", "id==l1"],
    ["leases", "ls", "id==l1"],
    ["leases", "ls", "bad |f| ilter"],
    ["leases", "delete", "l1", "nosuch", "l2"],
    ["leases", "rm", "--sync", "l2"],
  ]);
  await pair.sameState(["leases", "ls", "id!=x"]);
});

test("content: list, get, label, ingest, active, delete", async () => {
  const { pair } = arena.now;
  const digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  await pair.step({ argv: ["content", "ingest", "k1"], stdin: "hello" });
  // Nothing refers to it yet: without a root of its own the next collection takes it, at any moment.
  await pair.prepare(["content", "label", digest, "containerd.io/gc.root=now"]);
  await pair.step({ argv: ["content", "ingest", "k1"], stdin: "hello" });
  await pair.step({ argv: ["content", "ingest", "--expected-size", "3", "k2"], stdin: "hello!" });
  await pair.step({ argv: ["content", "ingest", "--expected-digest", digest, "k3"], stdin: "other" });
  await pair.step({ argv: ["content", "ingest", "--expected-digest", "bad", "k4"], stdin: "other" });
  await pair.step({ argv: ["content", "ingest"], stdin: "x" });
  await pair.step({ argv: ["content", "active"] });
  await pair.step({ argv: ["content", "active", "k3"] });
  for (const words of [
    [digest, "one=1"],
    [digest, "two=2", "one="],
    [digest, "one=1"],
    [digest.replace("2cf", "3cf"), "a=b"],
  ]) {
    await pair.step({ argv: ["content", "label", ...words], stdout: "labels" });
  }
  await pair.steps([
    ["content", "get", digest],
    ["content", "get", "sha256:bad"],
    ["content", "get"],
    ["content", "get", digest.replace("2cf", "3cf")],
    ["content", "label", "sha256:bad", "a=b"],
    ["content", "ls", "-q"],
    ["content", "ls", "-q", "labels.one==1"],
    ["content", "ls", "-q", `digest==${digest}`],
    ["content", "ls", "digest=="],
    ["content", "delete", digest],
    ["content", "rm", digest],
    ["content", "rm", "bad", digest],
    ["content", "rm"],
  ]);

  await pair.sameState(["content", "ls", "-q"], ["content", "active"]);
});

test("images: list, check, label, tag, delete", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["images", "ls"],
    ["image", "list", "-q"],
    ["i", "ls", `name==${busybox}`],
    ["i", "ls", "name~=nginx"],
    ["i", "ls", "name=nginx"],
    ["i", "check"],
    ["i", "check", `name==${nginx}`],
    ["i", "check", "name==nosuch"],
    ["i", "check", "--snapshotter", "nosuch", `name==${busybox}`],
    ["i", "tag", busybox, "local/one:1", "local/two:2"],
    ["i", "tag", busybox, "local/one:1"],
    ["i", "tag", "--force", nginx, "local/one:1"],
    ["i", "tag", "nosuch:1", "local/three:3"],
    ["i", "tag"],
    ["i", "tag", busybox],
    ["i", "label", "local/two:2"],
    ["i", "label"],
    ["i", "label", "nosuch", "a=b"],
    ["i", "rm", "nosuch"],
    ["i", "rm"],
    ["i", "rm", "--sync", "local/one:1", "nosuch"],
  ]);
  await pair.step({ argv: ["i", "label", "local/two:2", "a=1", "b=2"], stdout: "labels" });
  await pair.step({ argv: ["i", "label", "-r", "local/two:2", "c=3"], stdout: "labels" });
  await pair.step({ argv: ["i", "label", "local/two:2", "c="], stdout: "labels" });
  await pair.sameState(records.images);
  await pair.sameContent();
});

test("snapshots: prepare, view, commit, info, usage, tree, mounts, label, remove", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["snapshots", "ls"],
    ["snapshot", "tree"],
    ["snapshots", "prepare", "s1"],
    ["snapshots", "prepare", "s1"],
    ["snapshots", "prepare", "-t", "/target", "s2"],
    ["snapshots", "mounts", "/target", "s1"],
    ["snapshots", "m", "/target", "nosuch"],
    ["snapshots", "commit", "c1", "s1"],
    ["snapshots", "commit", "c1", "nosuch"],
    ["snapshots", "prepare", "-t", "/t", "s3", "c1"],
    ["snapshots", "view", "-t", "/t", "v1", "c1"],
    ["snapshots", "view", "v2", "nosuch"],
    ["snapshots", "info", "c1"],
    ["snapshots", "info", "nosuch"],
    ["snapshots", "usage", "c1", "s3"],
    ["snapshots", "usage", "-b", "c1"],
    ["snapshots", "usage"],
    ["snapshots", "label", "nosuch", "one=1"],
    ["snapshots", "tree"],
    ["snapshots", "rm", "c1"],
    ["snapshots", "rm", "s3", "nosuch", "c1"],
    ["snapshots", "rm"],
    ["snapshots", "--snapshotter", "native", "ls"],
    ["snapshots", "--snapshotter", "nosuch", "ls"],
    ["snapshots", "--snapshotter", "native", "prepare", "-t", "/t", "n1"],
    ["snapshots", "diff"],
    ["snapshots", "unpack", "bad"],
    ["snapshots", "unpack", "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"],
  ]);
  await pair.step({ argv: ["snapshots", "label", "c1", "one=1"], stdout: "labels" });
  await pair.sameState(records.snapshots, ["snapshots", "--snapshotter", "native", "ls"], ["snapshots", "info", "c1"]);
});

test("containers: create, list, info, label, delete", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["containers", "create", busybox, "c1"],
    ["c", "create", busybox, "c1"],
    ["c", "create", "--label", "a=b", "--env", "X=1", "--snapshotter", "native", busybox, "c2", "sleep", "100"],
    ["c", "create", "nosuch", "c3"],
    ["c", "create", busybox],
    ["c", "create"],
    ["c", "ls"],
    ["c", "ls", "-q"],
    ["c", "ls", "id==c2"],
    ["c", "ls", "id="],
    ["c", "info", "nosuch"],
    ["c", "info"],
    ["c", "label", "c1", "x=y"],
    ["c", "label", "nosuch", "x=y"],
    ["c", "label", "c1"],
    ["c", "label"],
    ["c", "rm", "--keep-snapshot", "c2"],
    ["c", "rm", "nosuch", "c2"],
    ["c", "rm"],
  ]);
  await pair.sameState(records.containers, records.snapshots);
});
