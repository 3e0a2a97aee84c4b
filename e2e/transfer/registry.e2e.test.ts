import { expect, test } from "bun:test";
import { ContainerdError, decodeAnyAs, encodeAny } from "@ctr/api";
import { digestOf, hostPlatform } from "@ctr/oci";
import { ourCtr } from "../support/binaries.ts";
import { run } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";
import {
  type ProgressEvent,
  type StreamsOf,
  startTransferDaemon,
  type TransferDaemon,
  type TransferRequest,
  type TransferScript,
} from "../support/transfer-daemon.ts";

const reference = "registry.example/lib/multi:v1";
const digest = digestOf(new TextEncoder().encode("index"));
const short = digest.slice(7, 19);
const mediaType = "application/vnd.oci.image.index.v1+json";
const { os, architecture } = hostPlatform();

/** Without docker's own configuration, which is asked where no flag says who we are. */
const env = { HOME: "/nonexistent", DOCKER_CONFIG: "" };

const ctr = (daemon: TransferDaemon, words: readonly string[]) =>
  run([ourCtr, "-a", daemon.address, "images", ...words], { env });

const registryOf = (any: TransferRequest["source"]) => decodeAnyAs(any, "containerd.types.transfer.OCIRegistry");
const storeOf = (any: TransferRequest["source"]) => decodeAnyAs(any, "containerd.types.transfer.ImageStore");

const pullEvents: readonly ProgressEvent[] = [
  { event: `Resolving from OCI Registry (${reference})` },
  { event: "fetching image content", name: reference, desc: { mediaType, digest, size: 5n } },
  { event: `Pulling from OCI Registry (${reference})` },
  { event: "waiting", name: `layer-${digest}`, parents: [reference], total: 4194304n },
  { event: "downloading", name: `layer-${digest}`, parents: [reference], progress: 1048576n, total: 4194304n },
  { event: "extracted", name: `layer-${digest}`, parents: [reference], progress: 4194304n, total: 4194304n },
  { event: "saved", name: reference, desc: { mediaType, digest, size: 5n } },
  { event: `Completed pull from OCI Registry (${reference})` },
];

const quiet: TransferScript = async (request, { tell }) => tell(request, []);
const play: TransferScript = async (request, { tell }) => tell(request, pullEvents);

/** Time and rate differ from run to run. */
const timeless = (text: string) =>
  text
    .replace(/elapsed: [^\t]*\t/g, "elapsed: T\t")
    .replace(/\([^()]*\/s\)/g, "(R/s)")
    .replaceAll("\u001b[32m", "")
    .replaceAll("\u001b[0m", "");

/** One frame: image and layer line, target, state. */
const frame = (image: string, layer: string, status: string, total: string) =>
  [
    `registry.example/lib/multi:v1           \t${image}\t`,
    ...(layer === "" ? [] : [`└──layer (${short})                 \t${layer}\t`]),
    `${mediaType} ${digest}`,
    `${status} from OCI Registry (${reference})\telapsed: T\ttotal: ${total}\t(R/s)\t\n`,
  ].join("\n");

const bar = (full: number) => `|${"+".repeat(full)}${"-".repeat(38 - full)}|`;
const frames = [
  frame("fetching image content", "", "Resolving", "  0.0 B"),
  frame("fetching image content", `waiting    \t${bar(0)}`, "Pulling", "  0.0 B"),
  frame("fetching image content", `downloading\t${bar(9)}\t 1.0 MiB/4.0 MiB`, "Pulling", " 1.0 Mi"),
  frame("fetching image content", `extracted  \t${bar(38)}`, "Pulling", " 4.0 Mi"),
  frame("saved", `extracted  \t${bar(38)}`, "Pulling", " 4.0 Mi"),
];

test("pull asks the daemon to pull and unpack for this host, and writes the last frame", async () => {
  await using daemon = await startTransferDaemon({ transfer: play });
  const { code, stdout, stderr } = await ctr(daemon, ["pull", "--label", "a=b", "--hosts-dir", "/d/hosts", reference]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(timeless(stdout)).toBe(frame("saved", `extracted  \t${bar(38)}`, "Completed pull", " 4.0 Mi"));
  expect(daemon.calls).toEqual(["Plugins type==io.containerd.transfer.v1", "Stream", "Stream", "Transfer"]);
  const [creds = "", progress = ""] = daemon.streamIds;
  expect(creds).toMatch(/^creds-\d+-[\w-]{4}$/);
  expect(progress).toMatch(/^progress-\d+-[\w-]{4}$/);
  const [request] = daemon.requests;
  expect(request?.options?.progressStream).toBe(progress);
  expect(registryOf(request?.source)).toEqual({
    reference,
    resolver: { authStream: creds, headers: {}, hostDir: "/d/hosts", defaultScheme: "", httpDebug: 0, logsStream: "" },
  });
  const platform = expect.objectContaining({ os, architecture });
  expect(storeOf(request?.destination)).toEqual({
    name: reference,
    labels: { a: "b" },
    platforms: [platform],
    allMetadata: true,
    manifestLimit: 0,
    extraReferences: [],
    unpacks: [{ platform, snapshotter: "" }],
  });
});

test("pull draws over its last frame on a terminal", async () => {
  await using daemon = await startTransferDaemon({ transfer: play });
  using session = openTerminal([ourCtr, "-a", daemon.address, "i", "pull", reference], { columns: 200, env });
  expect(await session.exited).toBe(0);
  const erase = (lines: number) => "\u001b[1A\u001b[2K\r".repeat(lines);
  const [first = "", ...rest] = frames;
  const text = timeless(session.output.replaceAll("\r\n", "\n"));
  expect(text).toBe([first, ...rest.map((next, index) => erase(index === 0 ? 3 : 4) + next)].join(""));
});

test.each([
  ["--platform", ["--platform", "linux/arm64", "--platform", "linux/s390x"], ["arm64", "s390x"], ["arm64", "s390x"]],
  ["--all-platforms", ["--all-platforms"], [], []],
])("pull %s decides what is fetched and what is unpacked", async (_flag, words, fetched, unpacked) => {
  await using daemon = await startTransferDaemon({ transfer: quiet });
  const outcome = await ctr(daemon, ["pull", ...words, "--snapshotter", "native", "--skip-metadata", reference]);
  expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
  const store = storeOf(daemon.requests[0]?.destination);
  expect(store?.allMetadata).toBe(false);
  expect(store?.platforms.map((platform) => platform.architecture)).toEqual(fetched);
  expect(store?.unpacks.map((unpack) => [unpack.platform?.architecture, unpack.snapshotter])).toEqual(
    unpacked.map((architecture) => [architecture, "native"]),
  );
});

/** Asks once for credentials, and keeps what it was answered. */
function asking(answers: unknown[]): TransferScript {
  return async (request, streams) => {
    const auth = streams.find(registryOf(request.source)?.resolver?.authStream ?? "");
    auth.send(encodeAny("containerd.types.transfer.AuthRequest", { host: "registry.example", reference }));
    answers.push(decodeAnyAs(await auth.next(), "containerd.types.transfer.AuthResponse"));
    streams.tell(request, []);
  };
}

test.each([
  [["--user", "me:s:cret"], { authType: 1, username: "me", secret: "s:cret" }],
  [["--refresh", "token"], { authType: 2, username: "", secret: "token" }],
  [[], { authType: 0, username: "", secret: "" }],
])("pull %p answers the daemon's question for credentials", async (words, answer) => {
  const answers: unknown[] = [];
  await using daemon = await startTransferDaemon({ transfer: asking(answers) });
  const { code, stdout } = await ctr(daemon, ["pull", "--plain-http", ...words, reference]);
  expect([code, stdout]).toEqual([0, ""]);
  expect(answers).toEqual([expect.objectContaining(answer)]);
  expect(registryOf(daemon.requests[0]?.source)?.resolver?.defaultScheme).toBe("http");
});

test("pull --http-dump logs the daemon's text line by line, however it is cut", async () => {
  const script: TransferScript = async (request, streams) => {
    const logs = streams.find(registryOf(request.source)?.resolver?.logsStream ?? "");
    const window = decodeAnyAs(await logs.next(), "containerd.types.transfer.WindowUpdate")?.update;
    expect(window).toBe(65536);
    for (const text of ["HEAD /v2/ HT", "TP/1.1\r\nHost: x\n"]) {
      logs.send(encodeAny("containerd.types.transfer.Data", { data: new TextEncoder().encode(text) }));
    }
    logs.end();
    streams.tell(request, []);
  };
  await using daemon = await startTransferDaemon({ transfer: script });
  const { code, stderr } = await ctr(daemon, ["pull", "--http-dump", "--http-trace", reference]);
  expect(code).toBe(0);
  expect(stderr.replace(/time="[^"]*"/g, "T")).toBe(
    'T level=info msg="HEAD /v2/ HTTP/1.1"\nT level=info msg="Host: x"\n',
  );
  const resolver = registryOf(daemon.requests[0]?.source)?.resolver;
  expect(resolver?.httpDebug).toBe(3);
  expect(resolver?.logsStream).toMatch(/^http-debug-logs-/);
});

test("the daemon's failure is the command's, after the frames that came before it", async () => {
  const script: TransferScript = async () => {
    throw new ContainerdError({ code: "not_found", what: `failed to resolve image: ${reference}` });
  };
  await using daemon = await startTransferDaemon({ transfer: script });
  const { code, stdout, stderr } = await ctr(daemon, ["pull", reference]);
  expect([code, stdout, stderr.split("\n")[0]]).toEqual([
    1,
    "",
    `ctr: failed to resolve image: ${reference}: not found`,
  ]);
});

test("Ctrl-C cancels the daemon's transfer and every stream", async () => {
  const begun = Promise.withResolvers<StreamsOf>();
  const cancelled = Promise.withResolvers<void>();
  const script: TransferScript = async (request, streams) => {
    const stream = streams.find(request.options?.progressStream ?? "");
    stream.send(encodeAny("containerd.types.transfer.Progress", { event: "waiting", name: "x" }));
    begun.resolve(streams);
    await new Promise<void>((resolve) => streams.signal.addEventListener("abort", () => resolve()));
    cancelled.resolve();
  };
  await using daemon = await startTransferDaemon({ transfer: script });
  using session = openTerminal([ourCtr, "-a", daemon.address, "i", "pull", reference], { env });
  await session.waitFor(/waiting/);
  session.type("\x03");
  expect(await session.exited).not.toBe(0);
  await cancelled.promise;
  const streams = await begun.promise;
  for (const id of daemon.streamIds) await streams.find(id).cancelled;
});

const pullOnly = [
  ["max-concurrent-downloads", "3"],
  ["print-chainid"],
  ["skip-verify"],
  ["tlscacert", "x"],
  ["tlscert", "x", "--tlskey", "x"],
];
const pushOnly = [
  ["manifest", "x"],
  ["manifest-type", "x"],
  ["max-concurrent-uploaded-layers", "3"],
  ["allow-non-distributable-blobs"],
  ["skip-verify"],
  ["tlscacert", "x"],
  ["tlscert", "x", "--tlskey", "x"],
  ["http-dump"],
  ["http-trace"],
];

test.each([...pullOnly.map((flag) => ["pull", flag] as const), ...pushOnly.map((flag) => ["push", flag] as const)])(
  "%s refuses --%s before anything is done",
  async (command, [flag = "", ...value]) => {
    await using daemon = await startTransferDaemon({ transfer: quiet });
    const { code, stdout, stderr } = await ctr(daemon, [command, `--${flag}`, ...value, reference]);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr: `ctr: "--${flag}" requires "--local" flag\n`,
    });
    expect(daemon.calls).toEqual(["Plugins type==io.containerd.transfer.v1"]);
  },
);

test("push sends the image of LOCAL, of the platforms named, to REMOTE", async () => {
  const script: TransferScript = async (request, { tell }) =>
    tell(request, [
      { event: `Pushing to OCI Registry (${reference})` },
      { event: "pushing content", name: "local:v1" },
      { event: "uploading", name: `layer-${digest}`, parents: ["local:v1"], progress: 512n, total: 1024n },
      { event: `Completed push to OCI Registry (${reference})` },
    ]);
  await using daemon = await startTransferDaemon({ transfer: script });
  const { code, stdout } = await ctr(daemon, ["push", "--platform", "linux/arm64", reference, "local:v1"]);
  expect(code).toBe(0);
  const status = `Completed push to OCI Registry (${reference})\telapsed: T\ttotal: `;
  const pushing = `local:v1                                \tpushing content\t\n`;
  expect(timeless(stdout)).toBe(
    `${pushing}└──layer (${short})                 \tuploading  \t${bar(19)}\t 512.0 B/1.0 KiB\t\n${status} 512.0 \t(R/s)\t\n`,
  );
  const [request] = daemon.requests;
  expect(storeOf(request?.source)).toMatchObject({
    name: "local:v1",
    platforms: [{ os: "linux", architecture: "arm64" }],
  });
  expect(registryOf(request?.destination)?.reference).toBe(reference);
});

test("push of one name sends it under that name, whole", async () => {
  await using daemon = await startTransferDaemon({ transfer: quiet });
  expect((await ctr(daemon, ["push", reference])).code).toBe(0);
  expect(storeOf(daemon.requests[0]?.source)).toMatchObject({ name: reference, platforms: [] });
});
