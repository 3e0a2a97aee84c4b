const unused = "accepted and without effect, as in the Go ctr";
const syncFs = "what it does shows only where power is cut; 1.6 does not know it";
const registry = [
  "skip-verify",
  "plain-http",
  "user",
  "refresh",
  "hosts-dir",
  "tlscacert",
  "tlscert",
  "tlskey",
  "http-dump",
  "http-trace",
  "label",
];
const mounting = ["images mount", "images unmount"].flatMap((command) =>
  registry.map((flag) => `${command} --${flag}`),
);

const notYet = "not built yet: refused with a reason";

/** Rows of the parity report that the test machines cannot fill, and why. */
export const whyNot: Readonly<Record<string, string>> = {
  ...Object.fromEntries(mounting.map((row) => [row, unused])),
  "images mount --sync-fs": syncFs,
  "images import --sync-fs": syncFs,
  "images pull --sync-fs": syncFs,
  "run --sync-fs": syncFs,
  "snapshots unpack --sync-fs": syncFs,
  "content active --root": unused,
  "content prune references --async": "only when the daemon collects differs, which no output shows",
  "containers create --pid-file": unused,
  "containers create --no-pivot": unused,
  "shim exec --env": unused,
  "shim exec --cwd": unused,
  "snapshots diff --ref": "the name of an ingest that is gone when the command ends",
  "containers checkpoint": notYet,
  "containers checkpoint --rw": notYet,
  "containers checkpoint --image": notYet,
  "containers checkpoint --task": notYet,
  "containers restore": notYet,
  "containers restore --rw": notYet,
  "containers restore --live": notYet,
  "images build-erofs-cache": notYet,
  "images build-erofs-cache --compressors": notYet,
  "images build-erofs-cache --mkfs-options": notYet,
  "images build-erofs-cache --platform": notYet,
  "images build-erofs-cache --dmverity": notYet,
  "images convert --erofs": notYet,
  "images convert --erofs-compressors": notYet,
  "images convert --erofs-mkfs-options": notYet,
  "run --cni": notYet,
  "run --gpus": notYet,
  "run --blockio-config-file": notYet,
  "run --blockio-class": notYet,
  "containers create --gpus": notYet,
  "containers create --blockio-config-file": notYet,
  "containers create --blockio-class": notYet,
};
