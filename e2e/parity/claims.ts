/**
 * Which test asserts what a flag does: it would fail with the flag ignored. A flag counts as covered only with such a
 * claim, and only if the test ran with it. `flags` are written as `command words --flag`; the program's own as `--flag`.
 */
export interface Claim {
  /** Below `e2e/`. */
  readonly file: string;
  /** The test's title, as declared. */
  readonly test: string;
  readonly flags: readonly string[];
}

export const claims: readonly Claim[] = [
  { file: "bad-input/interrupt.e2e.test.ts", test: "no FIFO directories are left", flags: ["run --fifo-dir"] },
  {
    file: "bad-input/registry.e2e.test.ts",
    test: "a registry that never answers: --timeout ends the wait",
    flags: ["--timeout"],
  },
  {
    file: "commands/help.e2e.test.ts",
    test: "has the sections, the words and the flags of the Go ctr, in its order",
    flags: ["--help"],
  },
  {
    file: "commands/help.e2e.test.ts",
    test: "--generate-bash-completion of %s has the words of the Go ctr 1.6",
    flags: ["--generate-bash-completion"],
  },
  {
    file: "commands/help.e2e.test.ts",
    test: "hidden flags work and are not shown",
    flags: ["images pull --all-metadata"],
  },
  {
    file: "commands/install.e2e.test.ts",
    test: "install --libs: those of lib, too",
    flags: ["install --libs", "install --path"],
  },
  {
    file: "commands/install.e2e.test.ts",
    test: "install: a file that is there is replaced only with --replace, and nothing is written through a link",
    flags: ["install --replace"],
  },
  {
    file: "commands/run.e2e.test.ts",
    test: "CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE and CONTAINERD_SNAPSHOTTER stand for their flags",
    flags: ["--address", "--namespace", "containers create --snapshotter"],
  },
  {
    file: "commands/run.e2e.test.ts",
    test: "run %p is felt inside: %s",
    flags: [
      "run --hostname",
      "run --user",
      "run --rlimit-nofile",
      "run --cpuset-cpus",
      "run --read-only",
      "run --env-file",
      "run --cwd",
      "run --mount",
      "run --net-host",
      "run --privileged",
      "run --cap-drop",
      "run --uidmap",
    ],
  },
  {
    file: "commands/run.e2e.test.ts",
    test: "run --dump-config: the spec of the record, as a file",
    flags: ["run --dump-config", "containers info --spec"],
  },
  {
    file: "commands/run.e2e.test.ts",
    test: "run --memory-limit and --cgroup: the limit stands in that cgroup",
    flags: ["run --memory-limit", "run --cgroup", "run --detach"],
  },
  { file: "commands/run.e2e.test.ts", test: "run --null-io throws output away", flags: ["run --null-io"] },
  {
    file: "commands/run.e2e.test.ts",
    test: "run --uidmap: the process has the mapped id on the host",
    flags: ["run --pid-file", "run --gidmap"],
  },
  {
    file: "commands/shim.e2e.test.ts",
    test: "pprof: the daemon's profiles, unchanged, as the Go tool gets them",
    flags: ["pprof --debug-socket", "pprof heap --debug", "pprof block --debug", "pprof threadcreate --debug"],
  },
  {
    file: "commands/shim.e2e.test.ts",
    test: "shim --shim-address: the socket itself, with or without unix://",
    flags: ["shim --shim-address"],
  },
  {
    file: "commands/shim.e2e.test.ts",
    test: "shim exec -a: streams both ways until the process ends",
    flags: ["shim exec --stdin", "shim exec --stdout", "shim exec --attach", "shim exec --spec"],
  },
  {
    file: "commands/shim.e2e.test.ts",
    test: "shim exec: without -a it says the pid and leaves; with -t there is a terminal",
    flags: ["shim exec --tty", "shim exec --attach"],
  },
  {
    file: "commands/shim.e2e.test.ts",
    test: "shim: the version that was asked for is the one that is spoken; without one, whichever there is",
    flags: ["shim state --api-version"],
  },
  {
    file: "commands/shim.e2e.test.ts",
    test: "shim: on the embedded engine its shims are found by the id alone",
    flags: ["shim --id"],
  },
  {
    file: "commands/tasks.e2e.test.ts",
    test: "tasks exec -d and delete --exec-id: the exec's exit code is passed on",
    flags: ["tasks exec --detach", "tasks exec --log-uri", "tasks kill --exec-id", "tasks delete --exec-id"],
  },
  {
    file: "commands/tasks.e2e.test.ts",
    test: "tasks metrics --format json: the numbers of the Go tool's message under the .proto file's names",
    flags: ["tasks metrics --format"],
  },
  {
    file: "commands/tasks.e2e.test.ts",
    test: "tasks start --fifo-dir: FIFOs are made there and go with the task",
    flags: ["tasks start --fifo-dir", "tasks start --detach"],
  },
  {
    file: "commands/tasks.e2e.test.ts",
    test: "tasks start --log-uri: a file, and a program of the user's",
    flags: ["tasks start --log-uri"],
  },
  {
    file: "commands/tasks.e2e.test.ts",
    test: "tasks start -d, then attach on a terminal: the keys reach a real terminal",
    flags: ["containers create --tty", "tasks start --detach"],
  },
  {
    file: "commands/tasks.e2e.test.ts",
    test: "tasks start: piped stdin, exit code and pid file",
    flags: ["tasks start --pid-file"],
  },
  {
    file: "differential/convert.e2e.test.ts",
    test: "images convert %j: the same digests, labels and blobs",
    flags: [
      "images convert --oci",
      "images convert --uncompress",
      "images convert --platform",
      "images convert --all-platforms",
    ],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "images pull %j: the same blobs, labels, snapshots and image",
    flags: [
      "images pull --platform",
      "images pull --all-platforms",
      "images pull --label",
      "images pull --snapshotter",
      "images pull --print-chainid",
    ],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "content fetch %j: as a pull, without unpacking",
    flags: ["content fetch --all-platforms", "content fetch --label"],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "images export: the same archive, byte for byte but for what 2.4 adds",
    flags: ["images export --platform", "images export --all-platforms", "images export --skip-manifest-json"],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "images import %j",
    flags: [
      "images import --base-name",
      "images import --digests",
      "images import --index-name",
      "images import --all-platforms",
      "images import --platform",
      "images import --no-unpack",
      "images import --snapshotter",
    ],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "images push --manifest: one manifest of an index",
    flags: ["images push --manifest", "images push --manifest-type"],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "images push: the registry gets the same",
    flags: ["images push --platform"],
  },
  {
    file: "differential/images.e2e.test.ts",
    test: "images mount and unmount",
    flags: ["images unmount --rm", "images mount --rw"],
  },
  {
    file: "differential/metadata.e2e.test.ts",
    test: "containers: create, list, info, label, delete",
    flags: [
      "containers create --label",
      "containers create --env",
      "containers create --snapshotter",
      "containers list --quiet",
      "containers delete --keep-snapshot",
    ],
  },
  {
    file: "differential/metadata.e2e.test.ts",
    test: "content: list, get, label, ingest, active, delete",
    flags: ["content ingest --expected-size", "content ingest --expected-digest", "content list --quiet"],
  },
  {
    file: "differential/metadata.e2e.test.ts",
    test: "images: list, check, label, tag, delete",
    flags: ["images list --quiet", "images check --snapshotter", "images tag --force", "images label --replace-all"],
  },
  {
    file: "differential/metadata.e2e.test.ts",
    test: "leases: create, list, delete",
    flags: ["leases create --id", "leases list --quiet"],
  },
  {
    file: "differential/metadata.e2e.test.ts",
    test: "namespaces: create, list, label, remove",
    flags: ["namespaces list --quiet"],
  },
  {
    file: "differential/metadata.e2e.test.ts",
    test: "snapshots: prepare, view, commit, info, usage, tree, mounts, label, remove",
    flags: ["snapshots prepare --target", "snapshots view --target", "snapshots usage --b", "snapshots --snapshotter"],
  },
  {
    file: "differential/registry-objects.e2e.test.ts",
    test: "content prune references: layers go once only their manifest kept them",
    flags: ["content prune references --dry"],
  },
  {
    file: "differential/registry-objects.e2e.test.ts",
    test: "images prune: nothing without --all; then all but what a container names",
    flags: ["images prune --all"],
  },
  {
    file: "differential/run-flags.e2e.test.ts",
    test: "run %s",
    flags: [
      "run --env",
      "run --env-file",
      "run --label",
      "run --annotation",
      "run --mount",
      "run --cwd",
      "run --read-only",
      "run --net-host",
      "run --privileged",
      "run --seccomp",
      "run --cap-add",
      "run --cap-drop",
      "run --allow-new-privs",
      "run --cpus",
      "run --cpu-quota",
      "run --cpu-period",
      "run --cpu-shares",
      "run --memory-limit",
      "run --with-ns",
      "run --cgroup",
      "run --device",
      "run --rootfs-propagation",
      "run --seccomp-profile",
      "run --apparmor-profile",
      "run --apparmor-default-profile",
      "run --rdt-class",
      "run --platform",
      "run --snapshotter",
      "run --snapshotter-label",
      "run --runtime",
      "run --runc-binary",
      "run --runc-root",
      "run --no-pivot",
      "run --uidmap",
      "run --gidmap",
      "run --remap-labels",
    ],
  },
  {
    file: "differential/run-flags.e2e.test.ts",
    test: "run --config takes the file's spec",
    flags: ["containers create --config", "run --config"],
  },
  { file: "differential/run-flags.e2e.test.ts", test: "run --rootfs takes a directory", flags: ["run --rootfs"] },
  {
    file: "differential/tasks.e2e.test.ts",
    test: "a task is started, listed, executed in, paused, resumed, killed and deleted",
    flags: [
      "tasks list --quiet",
      "tasks exec --exec-id",
      "tasks exec --cwd",
      "tasks exec --user",
      "tasks exec --detach",
      "tasks kill --signal",
      "tasks delete --force",
    ],
  },
  {
    file: "registry/command-line.e2e.test.ts",
    test: "--hosts-dir: where a registry is, and whom it is vouched for by",
    flags: ["images push --hosts-dir", "images pull --hosts-dir"],
  },
  {
    file: "registry/command-line.e2e.test.ts",
    test: "--http-dump logs what is said, without secrets; --http-trace how it was connected",
    flags: ["images pull --http-dump", "images pull --http-trace", "images push --http-dump"],
  },
  {
    file: "registry/command-line.e2e.test.ts",
    test: "--skip-verify takes any certificate",
    flags: ["images push --skip-verify", "images pull --skip-verify"],
  },
  {
    file: "registry/command-line.e2e.test.ts",
    test: "--tlscacert: a registry with an authority of its own",
    flags: ["images push --tlscacert", "images pull --tlscacert"],
  },
  {
    file: "registry/command-line.e2e.test.ts",
    test: "--user: the right password, the wrong one, and none",
    flags: ["images push --user", "images pull --user"],
  },
  {
    file: "transfer/archive.e2e.test.ts",
    test: "export passes on platforms and what to leave out",
    flags: [
      "images export --platform",
      "images export --all-platforms",
      "images export --skip-manifest-json",
      "images export --skip-non-distributable",
    ],
  },
  {
    file: "transfer/archive.e2e.test.ts",
    test: "import %p names, chooses and unpacks as told",
    flags: [
      "images import --compress-blobs",
      "images import --base-name",
      "images import --digests",
      "images import --skip-digest-for-named",
      "images import --index-name",
      "images import --label",
      "images import --platform",
      "images import --all-platforms",
      "images import --snapshotter",
      "images import --no-unpack",
    ],
  },
  {
    file: "transfer/choice.e2e.test.ts",
    test: "--local never asks for the transfer service",
    flags: ["images tag --local"],
  },
  {
    file: "transfer/choice.e2e.test.ts",
    test: "tag checks names unless told not to",
    flags: ["images tag --skip-reference-check"],
  },
  {
    file: "transfer/registry.e2e.test.ts",
    test: "pull %p answers the daemon's question for credentials",
    flags: ["images pull --user", "images pull --refresh"],
  },
  {
    file: "transfer/registry.e2e.test.ts",
    test: "pull %s decides what is fetched and what is unpacked",
    flags: [
      "images pull --platform",
      "images pull --snapshotter",
      "images pull --skip-metadata",
      "images pull --all-platforms",
    ],
  },
  {
    file: "transfer/registry.e2e.test.ts",
    test: "pull --http-dump logs the daemon's text line by line, however it is cut",
    flags: ["images pull --http-dump"],
  },
  {
    file: "transfer/registry.e2e.test.ts",
    test: "pull asks the daemon to pull and unpack for this host, and writes the last frame",
    flags: ["images pull --label"],
  },
  {
    file: "transfer/registry.e2e.test.ts",
    test: "push sends the image of LOCAL, of the platforms named, to REMOTE",
    flags: ["images push --platform"],
  },
  {
    file: "tutorial/tutorial.e2e.test.ts",
    test: "ctr content ls and content edit: an edited blob has a new digest",
    flags: ["content edit --editor"],
  },
  {
    file: "tutorial/tutorial.e2e.test.ts",
    test: "ctr task exec -t: a shell on a real terminal",
    flags: ["tasks exec --tty"],
  },
];
