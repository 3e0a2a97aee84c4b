import { afterAll, beforeAll, expect, test } from "bun:test";
import { encodeAny, type protobufAny, services } from "@ctr/api";
import { Client } from "@ctr/client";
import { hostPlatform } from "@ctr/oci";
import { createClient } from "@ctr/rpc";
import { receiveBytes, sendBytes } from "../../packages/client/src/streams.ts";
import { busyboxLayout, type Layout, nginxLayout, pushLayout } from "../support/images.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { codeOf, describeContract, gather, inNamespace } from "./subjects.ts";

let registry: PrivateRegistry;
let layout: Layout;
beforeAll(async () => {
  [registry, layout] = await Promise.all([startRegistry(), nginxLayout()]);
  await pushLayout(registry.host, "lib/nginx", "1", layout);
  await pushLayout(registry.host, "lib/busybox", "1", await busyboxLayout());
});
afterAll(() => registry?.[Symbol.asyncDispose]());

async function* sent(...messages: readonly protobufAny.Any[]) {
  yield* messages;
}
const init = (id: string) => encodeAny("containerd.services.streaming.v1.StreamInit", { id });

describeContract("transfer and streaming", (stage) => {
  if (stage.subject.api === "1.6") {
    test("are not there yet in 1.6", async () => {
      const transfer = createClient(await services.transfer(), stage.channel);
      expect(await codeOf(transfer.transfer({}, inNamespace("default")))).toBe("unimplemented");
    });
    return;
  }

  const open = () => new Client(stage.channel, { namespace: stage.newNamespace() });
  const platform = hostPlatform();
  const nginx = () => ({ reference: `${registry.host}/lib/nginx:1`, defaultScheme: "http" });

  test("a stream begins with its id, which is then taken until the stream ends", async () => {
    const streaming = createClient(await services.streaming(), stage.channel);
    const options = inNamespace(stage.newNamespace());
    expect(await codeOf(gather(streaming.stream(sent(), options)))).toBe("invalid_argument");
    expect(await codeOf(gather(streaming.stream(sent(init("")), options)))).toBe("invalid_argument");
    const client = open();
    await using stream = await client.streams.open("mine");
    const again = streaming.stream(sent(init(stream.id)), inNamespace(client.namespace));
    expect(await codeOf(gather(again))).toBe("already_exists");
    // Of another namespace it is another one.
    const elsewhere = streaming.stream(sent(init(stream.id)), options)[Symbol.asyncIterator]();
    expect((await elsewhere.next()).value?.typeUrl).toBe("google.protobuf.Empty");
    await elsewhere.return?.();
  });

  test("pull fetches, unpacks and records, and tells of it", async () => {
    const client = open();
    const events: string[] = [];
    const store = { name: "mine:1", labels: { a: "b" }, platforms: [platform], unpacks: [{ platform }] };
    const onProgress = ({ event, name }: { event: string; name: string }) => events.push(`${event} ${name}`);
    await client.transfer.pull(nginx(), store, { onProgress });
    const image = await client.images.get("mine:1");
    expect(image).toMatchObject({ target: { digest: layout.target.digest }, labels: { a: "b" } });
    const check = await client.images.check("mine:1");
    expect(check.missing).toEqual([]);
    const snapshots = await gather(client.snapshots("overlayfs").walk());
    expect(snapshots.map(({ kind }) => kind)).toEqual(["committed", "committed", "committed"]);
    expect(await client.leases.list()).toEqual([]);
    expect(events[0]).toStartWith("Resolving from OCI Registry (");
    expect(events.filter((event) => event.startsWith("extracted layer-sha256:")).length).toBe(3);
    expect(events).toContain("saved mine:1");
    expect(events.at(-1)).toStartWith("Completed pull from OCI Registry (");
  });

  test("pull takes the platforms that are named, all of them where none is, and unpacks only where that is asked", async () => {
    const client = open();
    await client.transfer.pull(nginx(), { name: "none:1" });
    expect((await gather(client.snapshots("overlayfs").walk())).length).toBe(0);
    const index = JSON.parse(Buffer.from(await read(client, layout.target.digest)).toString());
    for (const { digest } of index.manifests) await client.content.info(digest);
    const other = open();
    await other.transfer.pull(nginx(), { name: "arm:1", platforms: [{ os: "linux", architecture: "arm64" }] });
    const arm = index.manifests.find(
      (each: { platform: { architecture: string } }) => each.platform.architecture === "arm64",
    );
    await other.content.info(arm.digest);
    expect(await codeOf(other.content.info(index.manifests[0].digest))).toBe("not_found");
  });

  test("pull: what is not there, or cannot be unpacked, leaves nothing", async () => {
    const client = open();
    const store = { name: "x:1", platforms: [platform], unpacks: [{ platform }] };
    const missing = { reference: `${registry.host}/lib/nosuch:1`, defaultScheme: "http" };
    expect(await codeOf(client.transfer.pull(missing, store))).toBe("not_found");
    const windows = { os: "windows", architecture: "amd64" };
    expect(await codeOf(client.transfer.pull(nginx(), { ...store, unpacks: [{ platform: windows }] }))).toBe(
      "invalid_argument",
    );
    const nobody = { ...store, unpacks: [{ platform, snapshotter: "nobody" }] };
    expect(await codeOf(client.transfer.pull(nginx(), nobody))).toBe("invalid_argument");
    expect([await client.images.list(), await client.leases.list()]).toEqual([[], []]);
  });

  test("pull: further names go with the image", async () => {
    const client = open();
    const extraReferences = [{ name: "also:1" }, { name: "by", isPrefix: true, addDigest: true }];
    await client.transfer.pull(nginx(), { name: "main:1", platforms: [platform], extraReferences });
    const names = async () => (await client.images.list()).map(({ name }) => name).sort();
    expect(await names()).toEqual(["also:1", `by@${layout.target.digest}`, "main:1"]);
    await client.images.delete("main:1", { sync: true });
    expect(await names()).toEqual([]);
  });

  test("tag, push and pull again: the same image", async () => {
    const client = open();
    await client.transfer.pull(nginx(), { name: "a:1" });
    await client.transfer.tag("a:1", { name: "b:1", labels: { c: "d" } });
    expect((await client.images.get("b:1")).labels).toEqual({ c: "d" });
    const reference = `${registry.host}/mine/${client.namespace}:1`;
    await client.transfer.push({ name: "b:1" }, { reference, defaultScheme: "http" });
    const other = open();
    await other.transfer.pull({ reference, defaultScheme: "http" }, { name: "c:1", platforms: [platform] });
    expect((await other.images.get("c:1")).target.digest).toBe((await client.images.get("a:1")).target.digest);
    expect(await codeOf(client.transfer.tag("nosuch:1", { name: "x:1" }))).toBe("not_found");
    expect(await codeOf(client.transfer.push({ name: "nosuch:1" }, { reference }))).toBe("not_found");
  });

  test("export and import: the image comes back, named by its archive, by a prefix, or by its digest", async () => {
    const client = open();
    await client.transfer.pull(nginx(), { name: "docker.io/library/nginx:1", platforms: [platform] });
    const chunks = await gather(
      client.transfer.exportArchive({ extraReferences: [{ name: "docker.io/library/nginx:1" }] }),
    );
    const archive = async function* () {
      yield* chunks;
    };
    const names = async (extra: object) => {
      const other = open();
      const store = { platforms: [platform], unpacks: [{ platform }], extraReferences: [extra] };
      await other.transfer.importArchive(archive(), store);
      expect(await other.leases.list()).toEqual([]);
      return (await other.images.list()).map(({ name }) => name);
    };
    const any = { name: "import", isPrefix: true, allowOverwrite: true };
    expect(await names(any)).toEqual(["docker.io/library/nginx:1"]);
    expect(await names({ ...any, name: "docker.io/library/nginx", allowOverwrite: false })).toEqual([
      "docker.io/library/nginx:1",
    ]);
    expect(await names({ ...any, name: "docker.io/library/ngin", allowOverwrite: false })).toEqual([]);
    const digest = `by@${layout.target.digest}`;
    expect(await names({ name: "by", isPrefix: true, addDigest: true })).toEqual([digest]);
    expect(await names({ ...any, name: "by", addDigest: true, skipNamedDigest: true })).toEqual([
      "docker.io/library/nginx:1",
    ]);
  });

  test("an archive that is cut short, or none, leaves no image and no lease", async () => {
    const client = open();
    const nothing = async function* () {
      yield Buffer.from("no archive at all");
    };
    expect(await codeOf(client.transfer.importArchive(nothing(), { name: "x:1" }))).toBe("data_loss");
    expect([await client.images.list(), await client.leases.list()]).toEqual([[], []]);
  });

  test("what is imported from a stream to an export stream comes back as it is", async () => {
    const client = open();
    await using source = await client.streams.open("in");
    await using target = await client.streams.open("out");
    const bytes = new Uint8Array(3_000_000).map((_byte, index) => index % 251);
    const done = client.transfer.run(
      encodeAny("containerd.types.transfer.ImageImportStream", { stream: source.id }),
      encodeAny("containerd.types.transfer.ImageExportStream", { stream: target.id }),
    );
    const sending = sendBytes(source, split(bytes, 70_000));
    const echoed = await gather(receiveBytes(target));
    await Promise.all([sending, done]);
    expect(Buffer.compare(Buffer.concat(echoed), bytes)).toBe(0);
  });

  test("an export that fails ends its stream, so that who reads to the end is not left waiting", async () => {
    const client = open();
    await client.transfer.pull(nginx(), { name: "a:1", platforms: [platform] });
    const index = JSON.parse(Buffer.from(await read(client, layout.target.digest)).toString());
    const missing = index.manifests.find(
      (each: { platform: { architecture: string } }) => each.platform.architecture !== platform.architecture,
    );
    expect(await codeOf(client.content.info(missing.digest))).toBe("not_found");
    await using target = await client.streams.open("out");
    const failing = codeOf(
      client.transfer.run(
        encodeAny("containerd.types.transfer.ImageStore", { extraReferences: [{ name: "a:1" }] }),
        encodeAny("containerd.types.transfer.ImageExportStream", { stream: target.id, allPlatforms: true }),
      ),
    );
    await gather(receiveBytes(target));
    expect(await failing).toBe("not_found");
  });

  test("what cannot be transferred to what", async () => {
    const client = open();
    const reference = { reference: "r.example/a:1" };
    const [from, to] = [reference, reference].map((each) => encodeAny("containerd.types.transfer.OCIRegistry", each));
    if (from === undefined || to === undefined) throw new Error("no messages");
    expect(await codeOf(client.transfer.run(from, to))).toBe("unimplemented");
    expect(await codeOf(client.transfer.run({ typeUrl: "x", value: new Uint8Array() }, to))).toBe("invalid_argument");
  });
});

async function* split(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function read(client: Client, digest: string): Promise<Uint8Array> {
  const content = createClient(await services.content(), client.channel);
  const parts = await gather(content.read({ digest }, client.callOptions()));
  return Buffer.concat(parts.map(({ data }) => data));
}
