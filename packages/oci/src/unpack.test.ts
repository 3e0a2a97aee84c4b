import { expect, test } from "bun:test";
import { ContainerdError } from "@ctr/api";
import { chainIDs } from "./chain-id.ts";
import type { Labels } from "./content.ts";
import { digestOf } from "./digest.ts";
import { parsePlatform } from "./platform.ts";
import { onlyPlatform } from "./platform-match.ts";
import type { Differ, Mount, SnapshotInfo, Snapshotter } from "./snapshot.ts";
import { MemoryContentStore } from "./testing/memory-content.ts";
import { buildImage } from "./testing/test-image.ts";
import { type UnpackEvent, unpackImage } from "./unpack.ts";

const { signal } = new AbortController();
const encode = (text: string) => new TextEncoder().encode(text);
const platform = parsePlatform("linux/amd64");
const image = buildImage([encode("base"), encode("middle"), encode("top")], platform);
const chain = chainIDs(image.diffIDs);
const options = { signal, matcher: onlyPlatform(platform) };

interface Snapshot {
  readonly parent: string;
  readonly labels: Labels;
  readonly kind: "active" | "committed";
}

/** Keeps names and parents; mounts say which key they are of. */
class MemorySnapshotter implements Pick<Snapshotter, "name" | "stat" | "prepare" | "commit" | "remove"> {
  readonly name = "memory";
  readonly snapshots = new Map<string, Snapshot>();
  prepared = 0;

  async stat(key: string): Promise<SnapshotInfo> {
    const found = this.snapshots.get(key);
    if (found === undefined) throw new ContainerdError({ code: "not_found", what: `snapshot ${key}` });
    return { ...found, name: key, createdAt: undefined, updatedAt: undefined };
  }

  async prepare(key: string, parent: string, { labels = {} }: { readonly labels?: Labels }): Promise<readonly Mount[]> {
    this.prepared++;
    if (parent !== "") await this.stat(parent);
    this.snapshots.set(key, { parent, labels, kind: "active" });
    return [{ type: "bind", source: key, target: "", options: [] }];
  }

  async commit(name: string, key: string, { labels = {} }: { readonly labels?: Labels }): Promise<void> {
    const { parent } = await this.stat(key);
    if (this.snapshots.has(name)) throw new ContainerdError({ code: "already_exists", what: `snapshot ${name}` });
    this.snapshots.delete(key);
    this.snapshots.set(name, { parent, labels, kind: "committed" });
  }

  async remove(key: string): Promise<void> {
    this.snapshots.delete(key);
  }
}

function open(differ: Partial<Differ> = {}) {
  const content = new MemoryContentStore();
  for (const bytes of image.blobs.values()) content.add(bytes);
  const snapshotter = new MemorySnapshotter();
  const whole = snapshotter as unknown as Snapshotter; // unpack calls nothing but what the class has
  const apply: Differ["apply"] = async (layer) => ({ ...layer, mediaType: "application/vnd.oci.image.layer.v1.tar" });
  const target = { content, snapshotter: whole, differ: { apply, compare: apply as never, ...differ } };
  return { content, snapshotter, target };
}

test("unpackImage() commits each layer on its parent and labels what it unpacked", async () => {
  const { content, snapshotter, target } = open();
  const events: UnpackEvent["kind"][] = [];
  const result = await unpackImage(target, image.manifest, { ...options, onLayer: (event) => events.push(event.kind) });
  expect(result).toEqual({ chainID: chain[2], applied: true } as never);
  expect([...snapshotter.snapshots].map(([name, one]) => [name, one.parent, one.labels])).toEqual(
    chain.map((name, i) => [name, chain[i - 1] ?? "", { "containerd.io/snapshot.ref": name }]) as never,
  );
  for (const [i, layer] of image.layers.entries()) {
    expect(content.blobs.get(layer.digest)?.labels).toEqual({ "containerd.io/uncompressed": image.diffIDs[i] ?? "" });
  }
  expect(content.blobs.get(image.config.digest)?.labels).toEqual({
    "containerd.io/gc.ref.snapshot.memory": chain[2] ?? "",
  });
  expect(events).toEqual(["extracting", "extracted", "extracting", "extracted", "extracting", "extracted"]);
});

test("unpackImage() keeps what is there", async () => {
  const { snapshotter, target } = open();
  await unpackImage(target, image.manifest, options);
  snapshotter.prepared = 0;
  expect(await unpackImage(target, image.manifest, options)).toEqual({ chainID: chain[2], applied: false } as never);
  expect(snapshotter.prepared).toBe(0);
});

test.each([
  [
    "is not what the config says",
    async () => ({ ...image.config, digest: digestOf(encode("other")) }),
    "wrong diff id calculated on extraction",
  ],
  [
    "cannot be applied",
    async () => Promise.reject(new ContainerdError({ code: "unavailable", what: "disk full" })),
    "failed to extract layer",
  ],
])("unpackImage() leaves no extraction snapshot when a layer %s", async (_what, apply, message) => {
  const { snapshotter, target } = open({ apply });
  await expect(unpackImage(target, image.manifest, options)).rejects.toThrow(message);
  expect([...snapshotter.snapshots.keys()]).toEqual([]);
});

test("unpackImage() takes another's commit of the same layer for its own", async () => {
  const { snapshotter, target } = open();
  const original = target.differ.apply;
  target.differ.apply = async (layer, mounts, applyOptions) => {
    const i = image.layers.findIndex((one) => one.digest === layer.digest);
    snapshotter.snapshots.set(chain[i] ?? "", { parent: chain[i - 1] ?? "", labels: {}, kind: "committed" });
    return original(layer, mounts, applyOptions);
  };
  await unpackImage(target, image.manifest, options);
  expect([...snapshotter.snapshots.keys()].toSorted()).toEqual([...chain].toSorted());
});

test("unpackImage() tries another key when one is taken", async () => {
  const { snapshotter, target } = open();
  const prepare = snapshotter.prepare.bind(snapshotter);
  const keys: string[] = [];
  snapshotter.prepare = async (key, parent, prepareOptions) => {
    keys.push(key);
    if (keys.length < 3) throw new ContainerdError({ code: "already_exists", what: `snapshot ${key}` });
    return prepare(key, parent, prepareOptions);
  };
  await unpackImage(target, image.manifest, options);
  expect(new Set(keys.slice(0, 3)).size).toBe(3);
  for (const key of keys) expect(key).toMatch(/^extract-\d{1,9}-[A-Za-z0-9_-]{4} sha256:[0-9a-f]{64}$/);
});

test("unpackImage() refuses a config with other layers than the manifest's", async () => {
  const { content, target } = open();
  const config = JSON.parse(new TextDecoder().decode(image.blobs.get(image.config.digest)));
  config.rootfs.diff_ids.pop();
  content.blobs.set(image.config.digest, { bytes: encode(JSON.stringify(config)), labels: {} });
  await expect(unpackImage(target, image.manifest, options)).rejects.toThrow(
    "number of layers and diffIDs don't match: 3 != 2",
  );
});
