import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { referenceCommands } from "../parity/reference.ts";
import { mustRun } from "../support/process.ts";
import { asGoWouldWrite, type Spec } from "./deliberate.ts";
import { busybox, nginx, sharedArena } from "./setup.ts";

const arena = sharedArena();
beforeAll(async () => {
  await arena.open();
  const { dir } = arena.now;
  await writeFile(join(dir, "env"), "FROM_FILE=1\n# a comment\nSECOND=two words\n");
  for (const name of ["src", "with,comma", "empty", "nodes/below"]) await mkdir(join(dir, name), { recursive: true });
  await mustRun(["mknod", join(dir, "nodes/a"), "c", "1", "3"]);
  await mustRun(["mknod", join(dir, "nodes/below/b"), "b", "7", "0"]);
  await symlink("/dev/null", join(dir, "link-to-null"));
  await writeFile(join(dir, "seccomp.json"), JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" }));
});
afterAll(arena.close);

/** Words of a `run` line before the image; `$DIR` is the scratch directory. */
const flags: readonly (readonly string[])[] = [
  [],
  ["--env", "A=1", "--env", "B=2,3"],
  ["--env", "PATH"],
  ["--env-file", "$DIR/env"],
  ["--label", "a=b", "--label", "c"],
  ["--annotation", "x=y"],
  ["--annotation", "x"],
  ["--mount", "type=bind,src=$DIR/src,dst=/data,options=rbind:ro"],
  ["--mount", "type=tmpfs,dst=/scratch"],
  ["--mount", "nonsense"],
  ["--mount", "type=bind,foo=bar"],
  ["--cwd", "/tmp"],
  ["--read-only"],
  ["--net-host"],
  ["--privileged"],
  ["--privileged", "--seccomp"],
  ["--cap-add", "CAP_SYS_ADMIN"],
  ["--cap-drop", "CAP_CHOWN", "--cap-drop", "CAP_KILL"],
  ["--cap-add", "SYS_ADMIN"],
  ["--allow-new-privs"],
  ["--allow-new-privs=false"],
  ["--cpus", "0.5"],
  ["--cpu-quota", "5000"],
  ["--cpu-quota", "50000", "--cpu-period", "100000"],
  ["--cpus", "1", "--cpu-quota", "1000"],
  ["--cpu-shares", "512"],
  ["--cpu-shares", "0"],
  ["--memory-limit", "67108864"],
  ["--memory-limit", "0x4000000"],
  ["--with-ns", "uts:/proc/1/ns/uts"],
  ["--with-ns", "foo:/proc/1/ns/uts"],
  ["--with-ns", "uts"],
  ["--cgroup", "/diff-own/c"],
  ["--cgroup", ""],
  ["--device", "/dev/fuse"],
  ["--device", "/etc/passwd"],
  ["--device", "/dev/nosuch"],
  ["--device", "$DIR/link-to-null"],
  ["--rootfs-propagation", "shared"],
  ["--seccomp-profile", "$DIR/seccomp.json"],
  ["--seccomp", "--seccomp-profile", "$DIR/seccomp.json"],
  ["--apparmor-profile", "p", "--apparmor-default-profile", "q"],
  ["--rdt-class", "c1"],
  ["--platform", "linux/amd64"],
  ["--platform", "linux/s390x"],
  ["--snapshotter", "native"],
  ["--snapshotter", "nosuch"],
  ["--snapshotter-label", "one=1"],
  ["--runtime", "io.containerd.runc.v2"],
  ["--runtime", "io.containerd.nosuch.v2"],
  ["--runc-binary", "runc"],
  ["--runc-root", "$DIR/runc-root"],
  ["--runc-systemd-cgroup"],
  ["--no-pivot"],
  ["--log-uri", "file://$DIR/out.log"],
  ["--pid-file", "$DIR/pid"],
  ["--fifo-dir", "$DIR/fifos"],
  ["--uidmap", "0:1000:10", "--gidmap", "0:1000:10"],
  ["--uidmap", "0:1000"],
  ["--uidmap", "0:1000:10"],
  ["--uidmap", "0:1000:10", "--gidmap", "0:1000:10", "--remap-labels"],
  ["--rm"],
  ["--env", "=x"],
  ["--env", ""],
  ["--env-file", "$DIR/nosuch"],
  ["--label", "a=b=c"],
  ["--label", ""],
  ["--annotation", "x="],
  ["--annotation", "=x"],
  ["--cwd", "relative"],
  ["--mount", "type=bind,source=$DIR/src,destination=/data,options=bind:rw:nosuid"],
  ["--mount", '"type=bind","src=$DIR/with,comma","dst=/data","options=rbind:ro"'],
  ["--mount", "type=bind,src=$DIR/src,dst=/data"],
  ["--mount", "type=bind,src=$DIR/src,dst=/data,options="],
  ["--mount", "type=tmpfs,dst=/scratch,options=size=64k:mode=700"],
  ["--mount", "type=tmpfs,dst=/a", "--mount", "type=tmpfs,dst=/a/b"],
  ["--mount", "type=bind,src=$DIR/nosuch,dst=/data,options=rbind"],
  ["--mount", "type=bind,src=$DIR/src"],
  ["--mount", "type=bind,type=tmpfs,dst=/twice"],
  ["--mount", 'type="bind'],
  ["--mount", ""],
  ["--privileged", "--cap-drop", "CAP_SYS_ADMIN"],
  ["--privileged", "--device", "/dev/fuse"],
  ["--privileged", "--cap-add", "CAP_SYS_ADMIN"],
  ["--privileged", "--read-only"],
  ["--privileged", "--net-host"],
  ["--cap-add", "CAP_CHOWN"],
  ["--cap-add", "CAP_NOSUCH"],
  ["--cap-add", "CAP_SYS_ADMIN", "--cap-drop", "CAP_SYS_ADMIN"],
  ["--cap-drop", "CAP_SYS_ADMIN"],
  ["--cap-drop", "CHOWN"],
  ["--cap-drop", "ALL"],
  ["--seccomp", "--cap-add", "CAP_SYS_ADMIN"],
  ["--seccomp", "--seccomp-profile", "$DIR/nosuch"],
  ["--seccomp", "--seccomp-profile", "$DIR/env"],
  ["--apparmor-profile", "p"],
  ["--apparmor-default-profile", "q"],
  ["--cpus", "0"],
  ["--cpus", "1.5", "--cpu-shares", "100"],
  ["--cpus", "-1"],
  ["--cpu-shares", "-1"],
  ["--cpu-period", "50000"],
  ["--cpu-quota", "-1"],
  ["--cpu-quota", "-1", "--cpu-period", "50000"],
  ["--memory-limit", "0"],
  ["--memory-limit", "1"],
  ["--with-ns", "pid:/nonexistent"],
  ["--with-ns", "uts:"],
  ["--with-ns", "ipc:/proc/self/ns/ipc", "--with-ns", "uts:/proc/self/ns/uts"],
  ["--with-ns", "cgroup:/proc/self/ns/cgroup"],
  ["--cgroup", "relative/c"],
  ["--device", "/dev/null", "--device", "/dev/zero"],
  ["--device", "$DIR/nodes"],
  ["--device", "$DIR/nodes/"],
  ["--device", "$DIR/empty"],
  ["--device", "/dev/../dev/null"],
  ["--device", "dev/null"],
  ["--device", ""],
  ["--rootfs-propagation", "nonsense"],
  ["--rootfs-propagation", "rslave"],
  ["--snapshotter-label", "novalue"],
  ["--runtime", "/nonexistent/shim"],
  ["--runc-binary", "/nonexistent/runc"],
  ["--log-uri", "foo://x"],
  ["--log-uri", "%%"],
  ["--pid-file", "$DIR/nosuch/pid"],
  ["--gidmap", "0:1000:10"],
  ["--uidmap", "a:b:c", "--gidmap", "a:b:c"],
  ["--uidmap", "0:1000:10:5", "--gidmap", "0:1000:10"],
  ["--uidmap", "0:1000:70000", "--gidmap", "0:2000:70000"],
];

let next = 0;
test.each(flags.map((words) => [words.join(" ") || "no flag", words] as const))("run %s", async (_title, words) => {
  const { pair, dir } = arena.now;
  const id = `f${next++}`;
  const filled = words.map((word) => word.replaceAll("$DIR", dir));
  const io = words.includes("--log-uri") || words.includes("--fifo-dir") ? [] : ["--null-io"];
  try {
    await pair.step({ argv: ["run", "-d", ...io, ...filled, busybox, id, "sleep", "1000"] });
    await sameContainer(id);
  } finally {
    await endBoth(id);
  }
});

/** Those that `containers create` of 1.6 has, too. */
const known = referenceCommands.find(({ name }) => name === "containers create")?.flags ?? [];
const isCreateFlag = (word: string) =>
  known.some(({ name, since }) => since === "1.6" && name === word.replace(/^--|=.*/g, ""));
const createFlags = flags.filter((words) => words.filter((word) => word.startsWith("--")).every(isCreateFlag));

test.each(createFlags.map((words) => [words.join(" ") || "no flag", words] as const))(
  "containers create %s",
  async (_title, words) => {
    const { pair, dir } = arena.now;
    const id = `f${next++}`;
    const filled = words.map((word) => word.replaceAll("$DIR", dir));
    try {
      await pair.step({ argv: ["containers", "create", ...filled, busybox, id, "sleep", "1000"] });
      await sameContainer(id);
    } finally {
      await endBoth(id);
    }
  },
);

test("run --config takes the file's spec", async () => {
  const { pair, dir } = arena.now;
  const spec = JSON.parse((await pair.go(["oci", "spec"], "default")).stdout);
  spec.process.args = ["sleep", "1000"];
  const file = join(dir, "config.json");
  await writeFile(file, JSON.stringify(spec));
  await pair.step({ argv: ["containers", "create", "--config", file, "conf1"] });
  await pair.step({ argv: ["run", "-d", "--config", file, busybox, "conf2"] });
  await pair.step({ argv: ["run", "-d", "--config", join(dir, "nosuch"), "conf3"] });
  const { ours, theirs } = await pair.json(["containers", "info", "conf1"]);
  expect(ours).toEqual(theirs);
  await endBoth("conf1");
});

test("run and containers create --rootfs take a directory", async () => {
  const { pair, dir } = arena.now;
  const rootfs = join(dir, "rootfs");
  await mkdir(rootfs, { recursive: true });
  await pair.step({ argv: ["run", "-d", "--null-io", "--rootfs", rootfs, "rootfs1", "sleep", "1"] });
  await sameContainer("rootfs1");
  await endBoth("rootfs1");
  await pair.step({ argv: ["containers", "create", "--rootfs", rootfs, "rootfs1", "sleep", "1"] });
  await sameContainer("rootfs1");
  await endBoth("rootfs1");
});

test("an image's own config reaches the spec", async () => {
  const { pair } = arena.now;
  await pair.step({ argv: ["run", "-d", "--null-io", nginx, "web"] });
  await sameContainer("web");
  await endBoth("web");
});

/** The record and the spec of both, ours with its deliberate differences undone. */
async function sameContainer(id: string): Promise<void> {
  const { pair } = arena.now;
  const [ours, theirs] = [
    await pair.go(["containers", "ls", "-q", `id==${id}`], "diff-ours"),
    await pair.go(["containers", "ls", "-q", `id==${id}`], "diff-base"),
  ];
  expect(ours.stdout).toBe(theirs.stdout);
  if (theirs.stdout === "") return;
  const info = await pair.json(["containers", "info", id]);
  // `containers info` prints a record with the decoded spec under Spec.
  const [our, their] = [info.ours as { Spec: Spec }, info.theirs as { Spec: Spec }];
  expect({ ...our, Spec: asGoWouldWrite(our.Spec, their.Spec) }).toEqual(their);
}

async function endBoth(id: string): Promise<void> {
  const { pair } = arena.now;
  for (const namespace of ["diff-ours", "diff-base"]) {
    await pair.go(["tasks", "rm", "-f", id], namespace);
    await pair.go(["containers", "rm", id], namespace);
  }
}
