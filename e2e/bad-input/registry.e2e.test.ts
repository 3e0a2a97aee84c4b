import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import {
  type Answer,
  cutShort,
  layoutAnswer,
  type RawAnswer,
  stall,
  startFaultyRegistry,
} from "../support/faulty-registry.ts";
import { busyboxLayout, type Layout, mediaTypes, readBlob, writeLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";

let daemon: PrivateContainerd;
let layout: Layout;
let layer: string;
beforeAll(async () => {
  [daemon, layout] = await Promise.all([startContainerd(), busyboxLayout()]);
  layer = JSON.parse((await readBlob(layout, layout.target.digest)).toString()).layers[0].digest;
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const pull = (host: string, ...flags: readonly string[]) =>
  run([ourCtr, "-a", daemon.address, "i", "pull", "--plain-http", ...flags, `${host}/lib/busybox:1`]);
const list = (...view: readonly string[]) => mustRun(["ctr", "-a", daemon.address, ...view]);

const status = (
  code: number,
  body = '{"errors":[{"code":"DENIED","message":"spoilt on purpose"}]}',
  headers: Record<string, string> = {},
): Answer => {
  return () => new Response(body, { status: code, headers: { "content-type": "application/json", ...headers } });
};
const onLayer = (answer: () => Response | Promise<Response | RawAnswer>): Answer => {
  return (_request, path) => (path.endsWith(layer) ? answer() : undefined);
};

test.each<[string, Answer, RegExp]>([
  ["401 without a challenge", status(401), /401|authoriz|unauthenticated/i],
  [
    "401 for basic credentials",
    status(401, "{}", { "www-authenticate": 'Basic realm="r"' }),
    /401|authoriz|credentials/i,
  ],
  ["403", status(403), /403/],
  ["404", status(404), /not found/],
  ["500 for ever", status(500), /500/],
  ["429 for ever", status(429, "{}", { "retry-after": "0" }), /429/],
  [
    "a manifest that is not JSON",
    (_r, path) =>
      path.includes("/manifests/")
        ? new Response("<html>", { headers: { "content-type": mediaTypes.oci.manifest } })
        : undefined,
    /manifest|digest|json/i,
  ],
  [
    "a layer cut short",
    onLayer(async () => {
      const bytes = await readBlob(layout, layer);
      return cutShort(bytes, bytes.length / 2);
    }),
    /: the connection ended after \d+ of \d+ bytes, however often it was resumed: /,
  ],
  [
    "a layer with other bytes",
    onLayer(async () => new Response(new Uint8Array((await readBlob(layout, layer)).map((byte) => byte ^ 1)))),
    /digest/,
  ],
  [
    "a layer that is longer",
    onLayer(async () => new Response(Buffer.concat([await readBlob(layout, layer), Buffer.from("more")]))),
    /size|length|long|digest/i,
  ],
  ["a layer that is not there", onLayer(() => new Response("{}", { status: 404 })), /not found/],
])("pull from a registry that answers %s: one clear line, no image", async (what, spoil, says) => {
  await using registry = await startFaultyRegistry(layoutAnswer(layout, "lib/busybox", "1", spoil));
  const outcome = await pull(registry.host);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(says);
  expect(outcome.stderr).toMatch(/^ctr: [^\n]+\n(?:hint: [^\n]+\n)?$/);
  expect(await list("i", "ls", "-q")).toBe("");
  // What was verified before the network failed waits under a lease for the next try.
  if (!what.startsWith("a layer cut short")) expect(await list("leases", "ls", "-q")).toBe("");
  for (const lease of (await list("leases", "ls", "-q")).split("\n").filter(Boolean)) await list("leases", "rm", lease);
});

test("a registry that fails for a moment is asked again", async () => {
  let failures = 2;
  const spoil: Answer = (_request, path) =>
    path.endsWith(layer) && failures-- > 0 ? new Response("", { status: 503 }) : undefined;
  await using registry = await startFaultyRegistry(layoutAnswer(layout, "lib/busybox", "1", spoil));
  expect(await pull(registry.host)).toMatchObject({ code: 0, stderr: "" });
  await list("i", "rm", "--sync", `${registry.host}/lib/busybox:1`);
});

test("a registry that never answers: --timeout ends the wait", async () => {
  await using registry = await startFaultyRegistry(() => new Promise<Response>(() => {}));
  const outcome = await run([
    ourCtr,
    "-a",
    daemon.address,
    "--timeout",
    "1s",
    "i",
    "pull",
    "--plain-http",
    `${registry.host}/lib/busybox:1`,
  ]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^ctr: .*deadline exceeded\n/);
});

test("nobody listens: the address and why", async () => {
  const outcome = await run([ourCtr, "-a", daemon.address, "i", "pull", "127.0.0.1:1/lib/busybox:1"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^ctr: .*127\.0\.0\.1:1.*connection refused\n/);
});

test("a server that vanishes in mid-layer and returns: the pull resumes, and asks for no byte twice", async () => {
  const big = await bigLayout();
  const [digest = "", size] = await theLayer(big);
  let cuts = 0;
  // Ends the first answer after a third, mid-stream; later ones are whole.
  const spoil: Answer = async (_request, path) => {
    if (!path.endsWith(digest) || cuts++ > 0) return undefined;
    const bytes = await readBlob(big, digest);
    return cutShort(bytes, Math.floor(bytes.length / 3));
  };
  await using registry = await startFaultyRegistry(layoutAnswer(big, "lib/busybox", "1", spoil));
  expect(await pull(registry.host)).toMatchObject({ code: 0, stderr: "" });
  const asked = registry.requests.filter(({ method, path }) => method === "GET" && path.endsWith(digest));
  expect(asked.length).toBe(2);
  const from = Number(/^bytes=(\d+)-/.exec(asked[1]?.range ?? "")?.[1]);
  expect(from).toBeGreaterThan(0);
  expect(from).toBeLessThanOrEqual(Math.floor(size / 3));
  await list("i", "rm", "--sync", `${registry.host}/lib/busybox:1`);
});

test("a pull that was interrupted is resumed by the next one: no byte that was verified is fetched again", async () => {
  const big = await bigLayout("second");
  const [digest = ""] = await theLayer(big);
  let first = true;
  const third = Promise.withResolvers<void>();
  const spoil: Answer = async (_request, path) => {
    if (!path.endsWith(digest) || !first) return undefined;
    first = false;
    const bytes = await readBlob(big, digest);
    return stall(bytes, Math.floor(bytes.length / 3), third.resolve);
  };
  await using registry = await startFaultyRegistry(layoutAnswer(big, "lib/busybox", "1", spoil));
  const name = `${registry.host}/lib/busybox:1`;
  const words = [ourCtr, "-a", daemon.address, "i", "pull", "--plain-http", name];
  const child = Bun.spawn(words, { stdout: "ignore", stderr: "pipe" });
  await third.promise;
  // The daemon tells of an ingest only when asked, so it is asked until there is one.
  while (!/[1-9][\d.]*[kM]B/.test(await list("content", "active"))) await new Promise(setImmediate);
  // The config comes beside the layer; it is to be among what was verified.
  const { config } = JSON.parse((await readBlob(big, big.target.digest)).toString());
  while (!(await list("content", "ls", "-q")).includes(config.digest)) await new Promise(setImmediate);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await list("i", "ls", "-q")).toBe("");
  // Collection now must spare what the pull has: it goes with the pull's lease, after a day.
  await list("leases", "create", "--id", "sweep");
  await list("leases", "rm", "--sync", "sweep");
  const before = registry.requests.length;
  expect(await pull(registry.host)).toMatchObject({ code: 0, stderr: "" });
  const asked = registry.requests
    .slice(before)
    .filter(({ method, path }) => method === "GET" && path.includes("/blobs/"));
  expect(asked.map(({ path }) => path)).toEqual([expect.stringContaining(digest)]);
  expect(asked[0]?.range).toMatch(/^bytes=[1-9]\d*-/);
});

/** An image with one layer of some 6 MB that does not compress. */
async function bigLayout(seed = "first"): Promise<Layout> {
  const work = join(daemon.dir, `big-${seed}`);
  const root = join(work, "root");
  await mkdir(root, { recursive: true });
  await mustRun([
    "sh",
    "-c",
    `openssl enc -aes-128-ctr -pass pass:${seed} -nosalt -pbkdf2 </dev/zero 2>/dev/null | head -c 6000000 >${root}/noise`,
  ]);
  const dir = await writeLayout(work, mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [root], config: {} },
  ]);
  const { mediaType, digest, size } = (await Bun.file(join(dir, "index.json")).json()).manifests[0];
  return { dir, target: { mediaType, digest, size } };
}

async function theLayer(big: Layout): Promise<readonly [string, number]> {
  const { digest, size } = JSON.parse((await readBlob(big, big.target.digest)).toString()).layers[0];
  return [digest, size];
}
