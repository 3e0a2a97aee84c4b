import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { unmountBelow } from "../support/containerd.ts";
import { forgetStore } from "../support/engine.ts";
import { mediaTypes, writeLayout } from "../support/images.ts";
import { type Outcome, run } from "../support/process.ts";
import { type RawAnswer, type RawServer, sendReply, startRawServer } from "../support/raw-server.ts";
import { checkStore } from "../support/store-check.ts";
import { memoryImage, secretForms, secrets, TokenRegistry } from "../support/token-registry.ts";
import { answerCases } from "./torture/answers.ts";
import { authCases } from "./torture/auth.ts";
import { blobCases } from "./torture/blobs.ts";
import type { Scene, Spoil, TortureCase } from "./torture/case.ts";
import { manifestCases } from "./torture/manifests.ts";
import { pushCases } from "./torture/pushes.ts";

/**
 * A registry that misbehaves in one way, and our ctr on a store of its own: it ends well or with one line, tells
 * nobody else its secrets (R1), and leaves a sound store from which a pull of the mended registry succeeds.
 */
let dir = "";
let certificates: Certificates;
let pem = { cert: "", key: "" };
let image: TokenRegistry["image"];
let layer = "";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-torture-"));
  certificates = await makeCertificates(dir, []);
  pem = { cert: await Bun.file(certificates.cert).text(), key: await Bun.file(certificates.key).text() };
  await mkdir(join(dir, "other"));
  await makeCertificates(join(dir, "other"), []);
  const base = join(dir, "base");
  const large = join(dir, "large");
  await Promise.all([mkdir(base), mkdir(large)]);
  await Promise.all([writeFile(join(base, "motd"), "hello\n"), writeFile(join(large, "noise"), randomBytes(400_000))]);
  const layers = [base, large];
  await writeLayout(dir, mediaTypes.oci, [{ os: "linux", architecture: "amd64", layers, config: {} }]);
  image = await memoryImage(join(dir, "layout"));
  layer = [...image.blobs].toSorted(([, a], [, b]) => b.byteLength - a.byteLength)[0]?.[0] ?? "";
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const bare = {
  HOME: "",
  DOCKER_CONFIG: "",
  HTTP_PROXY: "",
  HTTPS_PROXY: "",
  NO_PROXY: "",
  CTR_REGISTRY_TIMEOUT: "400ms",
};

/** The spoilt answer, or the registry's own. */
function answerWith(spoil: () => Spoil | undefined, own: (...at: Parameters<RawAnswer>) => void): RawAnswer {
  return (request, socket) => {
    const spoilt = spoil()?.(request, socket);
    if (spoilt === true) return;
    if (typeof spoilt === "object") return sendReply(request, socket, spoilt);
    own(request, socket);
  };
}

interface Stage extends AsyncDisposable {
  readonly scene: Scene;
  readonly server: RawServer;
  readonly root: string;
  /** Whether the registry misbehaves; it does not at first. */
  spoilt: boolean;
  ctr(command: readonly string[], flags: readonly string[]): Promise<Outcome>;
}

async function stageOf(wanted: TortureCase): Promise<Stage> {
  const work = await mkdtemp(join(dir, "case-"));
  const root = join(work, "root");
  const registry = new TokenRegistry(image, "lib/app", "1");
  const atOther: Scene["atOther"] = {};
  const other = await startRawServer(
    answerWith(
      () => atOther.answer,
      (request, socket) =>
        sendReply(request, socket, { status: 200, body: image.blobs.get(request.path.slice(1)) ?? "" }),
    ),
  );
  const scene: Scene = { registry, layer, other, atOther };
  const spoil = wanted.spoil(scene);
  const secure = wanted.over === "tls";
  const server = await startRawServer(
    answerWith(
      () => (stage.spoilt ? spoil : undefined),
      (request, socket) => {
        const headers = { ...request.headers, ...(secure ? { "x-scheme": "https" } : {}) };
        sendReply(request, socket, registry.reply({ ...request, headers }));
      },
    ),
    {
      ...(secure ? { tls: pem } : {}),
      onConnection: (socket) => stage.spoilt && wanted.connected?.(socket) === true,
      headOnly: (request) => stage.spoilt && wanted.headOnly?.(request) === true,
    },
  );
  const user = ["--user", `${secrets.user}:${secrets.password}`];
  const stage: Stage = {
    scene,
    server,
    root,
    spoilt: false,
    ctr: ([name = "", ...words], flags) =>
      run([ourCtr, "-a", `embedded://${root}`, "images", name, ...flags, ...user, ...words], {
        env: bare,
        timeoutMs: 45_000,
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all([server[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
      await forgetStore(root);
      await unmountBelow(work);
      await rm(work, { recursive: true, force: true });
    },
  };
  return stage;
}

const cases = [...manifestCases, ...blobCases, ...answerCases, ...authCases, ...pushCases];

test.concurrent.each(cases.map((one) => [one.when, one] as const))(
  "%s",
  async (_when, wanted) => {
    await using stage = await stageOf(wanted);
    const { server, root, scene } = stage;
    const pull = ["pull", `${server.host}/lib/app:1`];
    const command = wanted.command === "push" ? ["push", `${server.host}/lib/pushed:1`, pull[1] ?? ""] : pull;
    const sound = wanted.over === "tls" ? ["--local", "--tlscacert", certificates.ca] : ["--plain-http"];
    const flags = wanted.flags?.map((flag) => (flag === "OTHER" ? join(dir, "other/ca.pem") : flag)) ?? sound;
    if (wanted.command === "push") expect(await stage.ctr(pull, sound)).toMatchObject({ code: 0 });

    stage.spoilt = true;
    const outcome = await stage.ctr(command, flags);
    stage.spoilt = false;
    expectEnd(wanted, outcome);
    wanted.after?.(scene, server);
    expectNoSecrets(scene.other);
    if (wanted.ends !== "well" && wanted.command !== "push") expectRemains(root);
    expect(checkStore(root)).toMatchObject({ problems: [], garbage: [] });

    expect(await stage.ctr(pull, sound)).toMatchObject({ code: 0 });
    expect(checkStore(root)).toMatchObject({ problems: [], garbage: [], rows: { images: 1 } });
  },
  60_000,
);

/** Success, or one line and at most one hint. */
function expectEnd(wanted: TortureCase, { code, stderr }: Outcome): void {
  if (wanted.ends === "well") {
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return;
  }
  expect(stderr).toMatch(/^ctr: [^\n]+\n(?:hint: [^\n]+\n)?$/);
  expect(stderr).toMatch(wanted.ends);
  for (const secret of secretForms) expect(stderr).not.toContain(secret);
  expect(code).toBe(1);
}

/** Only a token service that the registry itself named, below /open/, is shown the password. */
function expectNoSecrets(other: RawServer): void {
  if (other.requests.some(({ path }) => path.startsWith("/open/"))) return;
  const bytes = other.received().toString("latin1");
  for (const secret of secretForms) expect(bytes).not.toContain(secret);
}

/** What arrived may stay, layers that are whole unpacked, with the lease that keeps it; no image, no half a snapshot. */
function expectRemains(root: string): void {
  const allowed = new Set(["blobs", "ingests", "leases", "lease_resources", "snapshots"]);
  const { rows } = checkStore(root);
  expect(Object.keys(rows).filter((table) => !allowed.has(table))).toEqual([]);
  if (rows["snapshots"] === undefined) return;
  using db = new Database(join(root, "meta.db"), { readonly: true });
  expect(db.query("SELECT key FROM snapshots WHERE kind <> 'committed'").all()).toEqual([]);
}
