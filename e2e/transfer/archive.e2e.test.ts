import { expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ContainerdError, decodeAnyAs, encodeAny } from "@ctr/api";
import { connect } from "@ctr/client";
import { digestOf, hostPlatform } from "@ctr/oci";
import { ourCtr } from "../support/binaries.ts";
import { run } from "../support/process.ts";
import {
  type StreamEnd,
  startTransferDaemon,
  type TransferDaemon,
  type TransferRequest,
  type TransferScript,
} from "../support/transfer-daemon.ts";

/** Large enough to need the window many times, and no multiple of any size in use. */
const archive = new Uint8Array(3_000_017).map((_byte, index) => (index * 7 + (index >> 11)) % 251);
const { os, architecture } = hostPlatform();

const ctr = (daemon: TransferDaemon, words: readonly string[], stdin?: Uint8Array) =>
  run([ourCtr, "-a", daemon.address, "images", ...words], stdin === undefined ? {} : { stdin });

const storeOf = (any: TransferRequest["source"]) => decodeAnyAs(any, "containerd.types.transfer.ImageStore");
const quiet: TransferScript = async (request, { tell }) => {
  if (request.options) tell(request, []);
};

/** No part of a message: what is left of a window must be kept to. */
const ODD_GRANT = 30_001;

/** Reads an archive as the daemon does, and checks that neither message nor window is overrun. */
async function receive(stream: StreamEnd): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let window = 0;
  const grant = () => {
    if (window >= 65536) return;
    stream.send(encodeAny("containerd.types.transfer.WindowUpdate", { update: ODD_GRANT }));
    window += ODD_GRANT;
  };
  grant();
  for (let any = await stream.next(); any !== undefined; any = await stream.next()) {
    const data = decodeAnyAs(any, "containerd.types.transfer.Data")?.data ?? new Uint8Array();
    if (data.byteLength === 0 || data.byteLength > 32768) throw new Error(`a message of ${data.byteLength} bytes`);
    window -= data.byteLength;
    if (window < 0) throw new Error("more than the window");
    parts.push(data.slice());
    grant();
  }
  stream.end();
  return Buffer.concat(parts);
}

/** Sends bytes as the daemon does: at most 32 KiB each, and no more than the window. */
async function send(stream: StreamEnd, bytes: Uint8Array): Promise<void> {
  let window = 0;
  for (let start = 0; start < bytes.byteLength; ) {
    while (window === 0) {
      const any = await stream.next();
      if (any === undefined) throw new Error("the client ended its side");
      window += decodeAnyAs(any, "containerd.types.transfer.WindowUpdate")?.update ?? 0;
      if (window > 131072) throw new Error(`a window of ${window} bytes`);
    }
    const data = bytes.slice(start, start + Math.min(window, 32768));
    stream.send(encodeAny("containerd.types.transfer.Data", { data }));
    start += data.byteLength;
    window -= data.byteLength;
  }
  stream.end();
}

const importStream = (request: TransferRequest) =>
  decodeAnyAs(request.source, "containerd.types.transfer.ImageImportStream");
const exportStream = (request: TransferRequest) =>
  decodeAnyAs(request.destination, "containerd.types.transfer.ImageExportStream");

function keeping(got: { digest?: string }): TransferScript {
  return async (request, { find, tell }) => {
    got.digest = digestOf(await receive(find(importStream(request)?.stream ?? "")));
    tell(request, [
      { event: "Importing" },
      { event: "saved", name: "docker.io/library/busybox:busybox" },
      { event: "Completed import" },
    ]);
  };
}

test.each(["file", "-"])("import of %s sends every byte within the window, and shows what was saved", async (where) => {
  const got: { digest?: string } = {};
  await using daemon = await startTransferDaemon({ transfer: keeping(got) });
  const file = join(daemon.dir, "a.tar");
  await writeFile(file, archive);
  const { code, stdout, stderr } = await ctr(daemon, ["import", where === "-" ? "-" : file], archive);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout.replace(/elapsed: \S+ s/, "elapsed: T")).toBe(
    "docker.io/library/busybox:busybox       \tsaved\t\nCompleted import\telapsed: T\ttotal:   0.0 B\t(0.0 B/s)\t\n",
  );
  expect(got.digest).toBe(digestOf(archive));
  expect(daemon.calls).toEqual(["Plugins type==io.containerd.transfer.v1", "Stream", "Stream", "Transfer"]);
});

const today = `import-${new Date().toLocaleDateString("sv")}`;
const here = expect.objectContaining({ os, architecture });
const arm = expect.objectContaining({ os: "linux", architecture: "arm64" });
const plainReference = { isPrefix: true, allowOverwrite: false, addDigest: false, skipNamedDigest: false };

test.each([
  [[], { name: "", extraReferences: [{ ...plainReference, name: today, allowOverwrite: true }], platforms: [here] }],
  [["--base-name", "b/x"], { extraReferences: [{ ...plainReference, name: "b/x" }] }],
  [["--base-name", "b/x", "--digests"], { extraReferences: [{ ...plainReference, name: "b/x", addDigest: true }] }],
  [
    ["--base-name", "b/x", "--digests", "--skip-digest-for-named"],
    { extraReferences: [{ ...plainReference, name: "b/x", addDigest: true, skipNamedDigest: true }] },
  ],
  [["--base-name", "b/x", "--skip-digest-for-named"], { extraReferences: [{ ...plainReference, name: "b/x" }] }],
  [["--index-name", "i:1", "--label", "a=b"], { name: "i:1", labels: { a: "b" } }],
  [["--platform", "linux/arm64"], { platforms: [arm], unpacks: [{ platform: arm, snapshotter: "" }] }],
  [
    ["--all-platforms", "--snapshotter", "native"],
    { platforms: [], unpacks: [{ platform: here, snapshotter: "native" }] },
  ],
  [["--no-unpack"], { unpacks: [] }],
])("import %p names, chooses and unpacks as told", async (words, store) => {
  await using daemon = await startTransferDaemon({ transfer: quiet });
  expect(await ctr(daemon, ["import", ...words, "--compress-blobs", "-"], archive.subarray(0, 10))).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  const [request] = daemon.requests;
  expect(storeOf(request?.destination)).toMatchObject(store);
  expect(request && importStream(request)).toMatchObject({ mediaType: "", forceCompress: true });
});

test("import refuses --discard-unpacked-layers and a missing file before anything is done", async () => {
  await using daemon = await startTransferDaemon({ transfer: quiet });
  expect((await ctr(daemon, ["import", "--discard-unpacked-layers", "-"])).stderr).toBe(
    'ctr: "--discard-unpacked-layers" requires "--local" flag\n',
  );
  const missing = await ctr(daemon, ["import", "/nonexistent/a.tar"]);
  expect([missing.code, missing.stderr]).toEqual([1, "ctr: open /nonexistent/a.tar: no such file or directory\n"]);
  expect(daemon.requests).toEqual([]);
});

test("import tells the daemon's reason when it stops in the middle, though stdin goes on for ever", async () => {
  const script: TransferScript = async (request, { find }) => {
    const stream = find(importStream(request)?.stream ?? "");
    stream.send(encodeAny("containerd.types.transfer.WindowUpdate", { update: 65536 }));
    await stream.next();
    stream.end();
    throw new ContainerdError({ code: "invalid_argument", what: "archive/tar: invalid tar header" });
  };
  await using daemon = await startTransferDaemon({ transfer: script });
  const endless = `cat /dev/zero | ${ourCtr} -a ${daemon.address} images import -`;
  const { code, stderr } = await run(["sh", "-c", endless]);
  expect([code, stderr.split("\n")[0]]).toEqual([1, "ctr: archive/tar: invalid tar header: invalid argument"]);
});

test("an archive that cannot be read to its end is cancelled, never ended as if it were whole", async () => {
  const seen = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const callEnded = Promise.withResolvers<void>();
  const script: TransferScript = async (request, { find, signal }) => {
    const stream = find(importStream(request)?.stream ?? "");
    void stream.cancelled.then(() => seen.resolve("cancelled"));
    stream.send(encodeAny("containerd.types.transfer.WindowUpdate", { update: 65536 }));
    void receiveUntilEnd(stream).then(
      () => seen.resolve("ended"),
      () => seen.resolve("cancelled"),
    );
    signal.addEventListener("abort", () => callEnded.resolve());
    begun.resolve();
    await callEnded.promise;
  };
  await using daemon = await startTransferDaemon({ transfer: script });
  await using client = await connect({ address: daemon.address });
  async function* broken() {
    yield archive.subarray(0, 50_000);
    await begun.promise;
    throw new Error("input/output error");
  }
  await expect(client.transfer.importArchive(broken(), {})).rejects.toThrow("input/output error");
  expect(await seen.promise).toBe("cancelled");
  await callEnded.promise;
});

async function receiveUntilEnd(stream: StreamEnd): Promise<void> {
  while ((await stream.next()) !== undefined);
}

const exporting: TransferScript = async (request, { find }) => send(find(exportStream(request)?.stream ?? ""), archive);

test("export writes every byte to the file or to stdout, and nothing else", async () => {
  await using daemon = await startTransferDaemon({ transfer: exporting });
  const file = join(daemon.dir, "out.tar");
  expect(await ctr(daemon, ["export", file, "a:1", "b:2"])).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(digestOf(await readFile(file))).toBe(digestOf(archive));
  const [request] = daemon.requests;
  expect(storeOf(request?.source)).toMatchObject({ name: "", extraReferences: [{ name: "a:1" }, { name: "b:2" }] });
  const child = Bun.spawn([ourCtr, "-a", daemon.address, "i", "export", "-", "a:1"]);
  expect(digestOf(await new Response(child.stdout).bytes())).toBe(digestOf(archive));
  expect(await child.exited).toBe(0);
});

test("export passes on platforms and what to leave out", async () => {
  await using daemon = await startTransferDaemon({ transfer: exporting });
  const words = ["--platform", "linux/arm64", "--skip-manifest-json", "--skip-non-distributable"];
  expect((await ctr(daemon, ["export", ...words, "/dev/null", "a:1"])).code).toBe(0);
  expect((await ctr(daemon, ["export", "--all-platforms", "/dev/null", "a:1"])).code).toBe(0);
  const [some, all] = daemon.requests.map(exportStream);
  expect(some).toMatchObject({ platforms: [arm], skipCompatibilityManifest: true, skipNonDistributable: true });
  expect(all).toMatchObject({ platforms: [], allPlatforms: true, skipCompatibilityManifest: false });
});

test.each([0, 100_000])(
  "an export that fails after %d bytes leaves an empty file and the daemon's reason",
  async (sent) => {
    const script: TransferScript = async (request, { find }) => {
      const stream = find(exportStream(request)?.stream ?? "");
      // A daemon that fails does not end the stream.
      await send({ ...stream, end: () => undefined }, archive.subarray(0, sent));
      throw new ContainerdError({ code: "not_found", what: 'image "a:1"' });
    };
    await using daemon = await startTransferDaemon({ transfer: script });
    const file = join(daemon.dir, "out.tar");
    const { code, stderr } = await ctr(daemon, ["export", file, "a:1"]);
    expect([code, stderr.split("\n")[0]]).toEqual([1, 'ctr: image "a:1": not found']);
    expect(await readFile(file, "utf8")).toBe("");
  },
);
