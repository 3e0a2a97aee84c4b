import { expect, test } from "bun:test";
import type { CallOptions } from "@ctr/rpc";
import { type Clients, clientsOf, codeOf, describeContract, gather, underLease, writeBlob } from "./subjects.ts";

const SNAPSHOTTER = "native";
const runtime = { name: "r" };
const spec = { typeUrl: "spec", value: new Uint8Array() };
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const anHourAgo = () => new Date(Date.now() - 3_600_000).toISOString();

describeContract("garbage collection", (stage) => {
  const open = async () => {
    const clients = await clientsOf(stage.channel);
    return { clients, options: await underLease(stage, clients) };
  };

  test("keeps what an image's target refers to by label, and nothing else", async () => {
    const { clients, options } = await open();
    const leaf = await writeBlob(clients, "leaf", options);
    const named = await writeBlob(clients, "named", options);
    const slashed = await writeBlob(clients, "slashed", options);
    const wrong = await writeBlob(clients, "wrong", options);
    const middle = await writeBlob(clients, "middle", options, { "containerd.io/gc.ref.content": leaf });
    const root = await writeBlob(clients, "root", options, {
      "containerd.io/gc.ref.content.0": middle,
      "containerd.io/gc.ref.content.l.1": named,
      "containerd.io/gc.ref.content/x": slashed,
      "containerd.io/gc.ref.contentwrong": wrong,
    });
    await createImage(clients, "i", root, options);
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([root, middle, leaf, named, slashed].toSorted());
    await clients.images.delete({ name: "i", sync: true }, options);
    expect(await blobs(clients, options)).toEqual([]);
  });

  test("keeps what a lease holds and what that refers to, unless it is flat or expired", async () => {
    const { clients, options } = await open();
    const child = await writeBlob(clients, "child", options);
    const held = await writeBlob(clients, "held", options, { "containerd.io/gc.ref.content.0": child });
    const flatChild = await writeBlob(clients, "flat child", options);
    const flat = await writeBlob(clients, "flat", options, { "containerd.io/gc.ref.content.0": flatChild });
    const late = await writeBlob(clients, "late", options);
    await lease(clients, options, { "containerd.io/gc.expire": inAnHour() }, { type: "content", id: held });
    await lease(clients, options, { "containerd.io/gc.flat": "1" }, { type: "content", id: flat });
    await lease(clients, options, { "containerd.io/gc.expire": anHourAgo() }, { type: "content", id: late });
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([held, child, flat].toSorted());
    expect((await clients.leases.list({}, options)).leases.filter(({ id }) => id !== "keep")).toHaveLength(2);
  });

  test("a lease ends with the last wait of its deletion", async () => {
    const { clients, options } = await open();
    const blob = await writeBlob(clients, "leased", options);
    const id = await lease(clients, options, {}, { type: "content", id: blob });
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([blob]);
    await clients.leases.delete({ id, sync: true }, options);
    expect(await blobs(clients, options)).toEqual([]);
  });

  test("keeps blobs and snapshots with a root label, and the parents of snapshots", async () => {
    const { clients, options } = await open();
    const child = await writeBlob(clients, "child of a root", options);
    const root = await writeBlob(clients, "a root", options, {
      "containerd.io/gc.root": "now",
      "containerd.io/gc.ref.content.0": child,
    });
    const suffixed = await writeBlob(clients, "another root", options, { "containerd.io/gc.root.x": "1" });
    await prepare(clients, options, "base", "");
    await prepare(clients, options, "middle", "base");
    await prepare(clients, options, "garbage", "middle");
    const labels = { "containerd.io/gc.root": "now" };
    await clients.snapshots.prepare({ snapshotter: SNAPSHOTTER, key: "top", parent: "middle", labels }, options);
    await collect(clients, options);
    // Any key that begins so, later; 1.6 knows but the one.
    const roots = stage.subject.api === "1.6" ? [root] : [root, suffixed];
    expect(await blobs(clients, options)).toEqual([...roots, child].toSorted());
    expect(await snapshots(clients, options)).toEqual(["base", "middle", "top"]);
  });

  test("keeps the snapshot of a container and what its labels name", async () => {
    const { clients, options } = await open();
    const blob = await writeBlob(clients, "named by a container", options);
    await prepare(clients, options, "base", "");
    await prepare(clients, options, "named", "");
    await prepare(clients, options, "other", "base");
    await clients.snapshots.prepare({ snapshotter: SNAPSHOTTER, key: "rw", parent: "base" }, options);
    const labels = {
      "containerd.io/gc.ref.content.0": blob,
      [`containerd.io/gc.ref.snapshot.${SNAPSHOTTER}/x`]: "named",
    };
    const container = { id: "c", runtime, spec, snapshotter: SNAPSHOTTER, snapshotKey: "rw", labels };
    await clients.containers.create({ container }, options);
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([blob]);
    expect(await snapshots(clients, options)).toEqual(["base", "named", "rw"]);
    await clients.containers.delete({ id: "c" }, options);
    await collect(clients, options);
    expect(await snapshots(clients, options)).toEqual([]);
  });

  test("follows a blob's label to a snapshot, and a cycle ends", async () => {
    const { clients, options } = await open();
    await prepare(clients, options, "chain", "");
    const config = await writeBlob(clients, "config", options, {
      [`containerd.io/gc.ref.snapshot.${SNAPSHOTTER}`]: "chain",
    });
    const other = await writeBlob(clients, "other", options, { "containerd.io/gc.ref.content.0": config });
    const labels = { "containerd.io/gc.ref.content.0": other };
    const info = { digest: config, labels };
    await clients.content.update({ info, updateMask: ["labels.containerd.io/gc.ref.content.0"] }, options);
    await createImage(clients, "i", other, options);
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([config, other].toSorted());
    expect(await snapshots(clients, options)).toEqual(["chain"]);
    await clients.images.delete({ name: "i", sync: true }, options);
    expect(await blobs(clients, options)).toEqual([]);
    expect(await snapshots(clients, options)).toEqual([]);
  });

  test("bytes that another namespace knows stay", async () => {
    const { clients, options } = await open();
    const other = await underLease(stage, clients);
    const digest = await writeBlob(clients, "shared by two", options);
    await writeBlob(clients, "shared by two", other);
    await createImage(clients, "i", digest, other);
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([]);
    const chunks = await gather(clients.content.read({ digest }, other));
    expect(Buffer.concat(chunks.map(({ data }) => data)).toString()).toBe("shared by two");
  });

  if (stage.subject.api === "1.6") return;

  test("since 2.x images expire, and a lease keeps one that has", async () => {
    const { clients, options } = await open();
    const labels = { "containerd.io/gc.expire": anHourAgo() };
    const digest = await writeBlob(clients, "expired", options);
    await createImage(clients, "gone", digest, options, labels);
    await createImage(clients, "kept", digest, options, labels);
    await createImage(clients, "later", digest, options, { "containerd.io/gc.expire": inAnHour() });
    await createImage(clients, "unread", digest, options, { "containerd.io/gc.expire": "soon" });
    await lease(clients, options, {}, { type: "images", id: "kept" });
    await collect(clients, options);
    const { images } = await clients.images.list({}, options);
    expect(images.map(({ name }) => name)).toEqual(["kept", "later", "unread"]);
    expect(await codeOf(clients.images.get({ name: "gone" }, options))).toBe("not_found");
  });

  test("since 2.2 a child may name its parent, since 2.3 on conditions", async () => {
    const { clients, options } = await open();
    const parent = await writeBlob(clients, "parent", options);
    const child = await writeBlob(clients, "names its parent", options, { "containerd.io/gc.bref.content.p": parent });
    await writeBlob(clients, "orphan", options, { "containerd.io/gc.bref.content.p": `sha256:${"0".repeat(64)}` });
    await createImage(clients, "i", parent, options);
    const used = { "containerd.io/gc.root": "1", "containerd.io/gc.cond.value-usedat": anHourAgo() };
    await clients.snapshots.prepare({ snapshotter: SNAPSHOTTER, key: "s", labels: used }, options);
    const condition = (text: string) => ({ [`containerd.io/gc.cond.snapshot.${SNAPSHOTTER}`]: `${text}|s` });
    const recent = await writeBlob(clients, "recent", options, condition("usedat<2h"));
    await writeBlob(clients, "not recent", options, condition("usedat<30m"));
    const either = await writeBlob(clients, "either", options, condition("usedat<30m,usedat>10m"));
    await collect(clients, options);
    expect(await blobs(clients, options)).toEqual([parent, child, recent, either].toSorted());
  });
});

/** Runs a collection to its end: the lease that kept what the test made until now ends, and a new one begins. */
async function collect({ leases }: Clients, options: CallOptions): Promise<void> {
  await leases.delete({ id: "keep", sync: true }, options);
  await leases.create({ id: "keep" }, options);
}

async function lease(
  { leases }: Clients,
  options: CallOptions,
  labels: Readonly<Record<string, string>>,
  resource: { readonly type: string; readonly id: string },
): Promise<string> {
  const id = crypto.randomUUID();
  await leases.create({ id, labels }, options);
  await leases.addResource({ id, resource }, options);
  return id;
}

async function createImage(
  { images }: Clients,
  name: string,
  digest: string,
  options: CallOptions,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  await images.create({ image: { name, target: { mediaType: "x", digest, size: 1n }, labels } }, options);
}

/** A committed snapshot. */
async function prepare({ snapshots }: Clients, options: CallOptions, name: string, parent: string): Promise<void> {
  await snapshots.prepare({ snapshotter: SNAPSHOTTER, key: `active-${name}`, parent }, options);
  await snapshots.commit({ snapshotter: SNAPSHOTTER, key: `active-${name}`, name }, options);
}

async function blobs({ content }: Clients, options: CallOptions): Promise<readonly string[]> {
  return (await gather(content.list({}, options))).flatMap(({ info }) => info.map(({ digest }) => digest)).toSorted();
}

async function snapshots(clients: Clients, options: CallOptions): Promise<readonly string[]> {
  const pages = await gather(clients.snapshots.list({ snapshotter: SNAPSHOTTER }, options));
  return pages.flatMap(({ info }) => info.map(({ name }) => name)).toSorted();
}
