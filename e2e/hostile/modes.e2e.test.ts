import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore, processesOf, stateOf } from "../support/engine.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, waitForLine } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

let dir: string;
let registry: PrivateRegistry;
let image: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-modes-"));
  registry = await startRegistry();
  image = `${registry.host}/lib/busybox:1`;
  await pushLayout(registry.host, "lib/busybox", "1", await busyboxLayout());
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** The one table: what a thing of ours may at most be open to. The first row whose kind and path match counts. */
const table: readonly (readonly [kind: string, path: RegExp, most: number, why: string])[] = [
  ["d", /^state$/, 0o711, "a mapped root walks through it to its bundle"],
  ["d", /^state\/bundles(\/[^/]+)?$/, 0o711, "the same"],
  ["d", /^state\/bundles\/[^/]+\/[^/]+$/, 0o710, "the same, by its group"],
  ["d", /^state\/runc\/[^/]+\/[^/]+$/, 0o711, "runc's own, in a directory that is closed"],
  [
    "f",
    /^state\/bundles\/[^/]+\/[^/]+\/([^/]+\.pid|log\.json)$/,
    0o644,
    "the shim's own, in a directory that is closed",
  ],
  ["l", /^state\/bundles\/[^/]+\/[^/]+\/work$/, 0o777, "a link has no mode"],
  ["d", /^root\/work(\/.*)?$/, 0o711, "as in containerd, in a directory that is closed"],
  ["f", /^root\/[^/]+\.content\/blobs\//, 0o444, "nobody writes to a blob, and its directory is closed"],
  ["d", /^root\/[^/]+\.overlayfs\/snapshots\/\d+\/fs$/, 0o755, "a container's `/`, which every user in it passes"],
  ["d", /^root\/[^/]+\.overlayfs\/snapshots\/\d+\/work$/, 0o711, "the kernel's, in a directory that is closed"],
  ["s", /^socket\//, 0o660, "the administrator may give it a group, as containerd's"],
  ["p", /^fifos\//, 0o700, "as containerd's own"],
  ["d", /./, 0o700, "everything else is its owner's alone"],
  ["f", /./, 0o600, "everything else is its owner's alone"],
  ["s", /./, 0o600, "everything else is its owner's alone"],
];

interface Found {
  readonly kind: string;
  readonly mode: number;
  readonly path: string;
}

/** Everything below `places`, without what an image or the kernel put there. */
async function listed(places: Readonly<Record<string, string>>): Promise<readonly Found[]> {
  const all = await Promise.all(
    Object.entries(places).map(async ([name, place]) => {
      const prune = ["(", "-path", "*/fs/*", "-o", "-path", "*/rootfs", "-o", "-path", "*/work/work", ")", "-prune"];
      const argv = ["find", place, "-xdev", ...prune, "-o", "-printf", "%y %m %P\\n"];
      return (await mustRun(argv))
        .trimEnd()
        .split("\n")
        .map((line) => foundIn(name, line));
    }),
  );
  return all.flat();
}

function foundIn(name: string, line: string): Found {
  const [kind = "", mode = "", ...path] = line.split(" ");
  return { kind, mode: Number.parseInt(mode, 8), path: [name, ...(path[0] === "" ? [] : path)].join("/") };
}

/** What is more open than the table says, as `find` would show it. */
function tooOpen(found: readonly Found[]): readonly string[] {
  return found.flatMap(({ kind, mode, path }) => {
    const row = table.find(([wanted, pattern]) => wanted === kind && pattern.test(path));
    const shown = `${kind} ${mode.toString(8)} ${path}`;
    return row !== undefined && (mode & ~row[2]) === 0 ? [] : [`${shown}: at most ${row?.[2].toString(8) ?? "none"}`];
  });
}

test.each(["000", "077"])(
  "R5, R2: after pull, run, exec and serve under umask %s nothing is more open than it has to be, and no socket is abstract",
  async (umask) => {
    const work = join(dir, umask);
    const [root, fifos, sockets] = ["root", "fifos", "socket"].map((name) => join(work, name));
    if (root === undefined || fifos === undefined || sockets === undefined) throw new Error("three names");
    await mkdir(sockets, { recursive: true, mode: 0o700 });
    const under = (words: readonly string[]) => [
      ...["sh", "-c", `umask ${umask}; exec "$@"`, "sh", ourCtr, "-a", `embedded://${root}`, ...words],
    ];
    const ctr = (...words: readonly string[]) => mustRun(under(words));
    const daemon = Bun.spawn(under(["serve", "--listen", join(sockets, "c.sock")]), {
      stdout: "ignore",
      stderr: "pipe",
    });
    try {
      await waitForLine(daemon.stderr, /serving containerd's API/, "ctr serve");
      await ctr("images", "pull", "--plain-http", image);
      await ctr("run", "-d", "--fifo-dir", fifos, image, "c", "sleep", "1000");
      await ctr("tasks", "exec", "-d", "--fifo-dir", fifos, "--exec-id", "e", "c", "sleep", "1000");
      await ctr(
        "run",
        "-d",
        "--fifo-dir",
        fifos,
        "--uidmap",
        "0:100000:1000",
        "--gidmap",
        "0:100000:1000",
        image,
        "m",
        "sleep",
        "1000",
      );
      // A user who is not root passes the container's `/`.
      const asOther = ["run", "--rm", "--fifo-dir", fifos, "--user", "1000:1000", image, "u", "cat", "/etc/passwd"];
      expect(await ctr(...asOther)).toContain("root:");
      const found = await listed({ root, state: stateOf(root), fifos, socket: sockets });
      expect(tooOpen(found)).toEqual([]);
      const kinds = [
        "meta.db",
        "meta.db-wal",
        "meta.db-shm",
        "tick",
        "config.json",
        "c.sock",
        "events.sock",
        "c-stdin",
        "gc",
      ];
      expect(kinds.filter((name) => !found.some(({ path }) => path.endsWith(`/${name}`)))).toEqual([]);
      expect(await abstractSockets([String(daemon.pid), ...(await processesOf(root))])).toEqual([]);
    } finally {
      daemon.kill("SIGTERM");
      await daemon.exited;
      await forgetStore(root);
    }
  },
  60_000,
);

/** Names of abstract sockets that one of `pids` holds. */
async function abstractSockets(pids: readonly string[]): Promise<readonly string[]> {
  const held = await mustRun(["sh", "-c", 'ls -l $(printf "/proc/%s/fd " "$@") 2>/dev/null || true', "sh", ...pids]);
  const inodes = new Set(Array.from(held.matchAll(/socket:\[(\d+)\]/g), ([, inode]) => inode));
  expect(inodes.size).toBeGreaterThan(0);
  const rows = (await readFile("/proc/net/unix", "utf8"))
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return rows.flatMap(([, , , , , , inode, name = ""]) => (inodes.has(inode) && name.startsWith("@") ? [name] : []));
}
