import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { waitForLine } from "../support/process.ts";
import { type CrashImage, type CrashStore, crashCtr, openCrashImage, openCrashStore } from "./crash-store.ts";

/** Several commands at once on one store, each in a process of its own, some of them by way of a daemon. */
const rounds = process.env["CTR_TEST_LONG"] === "1" ? 20 : 1;

let image: CrashImage;
beforeAll(async () => {
  image = await openCrashImage();
});
afterAll(() => image[Symbol.asyncDispose]());

/** One user's commands, in order; a name of his own wherever users would rightly be in each other's way. */
function userCommands(user: number): readonly (readonly string[])[] {
  const mine = `mine.test/image:${user}`;
  return [
    ["images", "pull", "--plain-http", image.pulled],
    ["images", "import", image.archive],
    ["images", "tag", "--force", image.imported, mine],
    ["run", "--rm", mine, `c${user}`, "true"],
    ["namespaces", "create", `ns${user}`],
    ["-n", `ns${user}`, "images", "import", image.archive],
    ["leases", "create", "--id", `lease${user}`],
    ["leases", "rm", "--sync", `lease${user}`],
    ["run", "--rm", mine, `c${user}`, "true"],
    ["images", "rm", "--sync", mine],
    ["-n", `ns${user}`, "images", "rm", "--sync", image.imported],
    ["namespaces", "rm", `ns${user}`],
  ];
}

test.each([2, 4, 8].flatMap((users) => [[users, false] as const, [users, true] as const]))(
  "%d commands at once on one store (served besides: %p) neither fail nor leave anything",
  async (users, served) => {
    await using store = await openCrashStore();
    const daemon = served ? await startServe(store) : undefined;
    try {
      for (let round = 0; round < rounds; round++) {
        const failures = await Promise.all(
          Array.from({ length: users }, (_, user) => work(store, user, daemon !== undefined && user % 2 === 1)),
        );
        expect(failures.flat()).toEqual([]);
      }
    } finally {
      daemon?.kill("SIGTERM");
      await daemon?.exited;
    }
    expect(store.problems()).toEqual([]);
    expect(await store.leftovers()).toEqual([]);
  },
  600_000,
);

async function work(store: CrashStore, user: number, overSocket: boolean): Promise<readonly string[]> {
  const failures: string[] = [];
  const address = overSocket ? ["--address", socketOf(store)] : [];
  for (const words of userCommands(user)) {
    const { code, stderr } = await store.ctr([...address, ...words]);
    if (code !== 0) failures.push(`user ${user}: ctr ${words.join(" ")}: exit ${code}: ${stderr}`);
  }
  return failures;
}

function socketOf(store: CrashStore): string {
  return join(store.root, "..", "serve.sock");
}

async function startServe(store: CrashStore) {
  const argv = [crashCtr, "--address", store.address, "serve", "--listen", socketOf(store)];
  const daemon = Bun.spawn(argv, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  await waitForLine(daemon.stderr, /serving containerd's API/, "ctr serve");
  return daemon;
}
