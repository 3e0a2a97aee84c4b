import { expect, test } from "bun:test";
import { containersV1, contentV1, FIELDS_HEADER, imagesV1, NAMESPACE_HEADER, snapshotsV1 } from "@ctr/api";
import { digestOf } from "@ctr/oci";
import type { CallContext, DeepPartial, MessageType } from "@ctr/rpc";
import { addBlob } from "../content/records.ts";
import { EngineContent } from "../content/store.ts";
import { createContainer } from "../metadata/containers.ts";
import { createImage } from "../metadata/images.ts";
import { scopeOf } from "../scope.ts";
import { commitSnapshot, insertSnapshot } from "../snapshots/records.ts";
import { openSnapshotter } from "../snapshots/snapshotters.ts";
import type { Store } from "../store/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { containersService } from "./containers.ts";
import { contentService } from "./content.ts";
import { asksOnly } from "./fields.ts";
import { imagesService } from "./images.ts";
import { snapshotsService } from "./snapshots.ts";

const { signal } = new AbortController();
const NAMESPACE = "ns";

function asking(...fields: readonly string[]): CallContext {
  const header = fields.length === 0 ? {} : { [FIELDS_HEADER]: fields.join(",") };
  return { signal, metadata: { [NAMESPACE_HEADER]: NAMESPACE, ...header } };
}

/** More than a page of each, with something in every field; half a second before 1970 and half a second after. */
function fill(): Store {
  let now = -500_000_000n;
  const store = openTestStore({ clock: { now: () => now } });
  store.db.write((tx) => {
    for (let at = 0; at < 1001; at++) {
      const any = { typeUrl: "a.b/c", value: new Uint8Array([at % 256]) };
      const labels = at % 2 === 0 ? { at: `${at}`, other: 'a"b' } : {};
      const given = { id: `c${at}`, image: at === 0 ? "" : `i${at}`, runtime: { name: "r", options: any }, spec: any };
      const rest = { labels, extensions: { e: any }, snapshotter: "native", snapshotKey: "k", sandbox: "s" };
      createContainer(store, tx, NAMESPACE, containersV1.Container.fromPartial({ ...given, ...rest }));
      const digest = digestOf(new TextEncoder().encode(`${at}`));
      addBlob(store, tx, NAMESPACE, { digest, size: BigInt(at) * 9_000_000_000_000_000n, labels });
      const target = { mediaType: "m", digest, size: BigInt(at + 1), ...(at % 3 ? {} : { annotations: { a: "b" } }) };
      createImage(store, tx, { namespace: NAMESPACE, lease: undefined }, { name: `i${at}`, target, labels });
      const space = { namespace: NAMESPACE, snapshotter: "native" };
      const parent = at < 2 ? undefined : 1n;
      const id = insertSnapshot(tx, space, { key: `s${at}`, kind: at % 2 ? "view" : "active", parent, labels, now });
      if (id === 1n) commitSnapshot(tx, id, { name: "base", parent, labels, size: 1n, inodes: 1n, now });
      now = 1_500_000_000n - now;
    }
  });
  return store;
}

type Page<T> = { readonly info?: readonly DeepPartial<T>[] | undefined };

function complete<T>(type: MessageType<T>, partial: readonly DeepPartial<NoInfer<T>>[] = []): readonly T[] {
  return partial.map((one) => type.fromPartial(one));
}

async function gather<T>(type: MessageType<T>, pages: AsyncIterable<Page<T>>): Promise<readonly T[]> {
  return (await Array.fromAsync(pages)).flatMap(({ info }) => complete(type, info));
}

test("asksOnly() takes a caller that names no fields for one that looks at all", () => {
  expect(asksOnly(asking(), ["a"])).toBe(false);
  expect(asksOnly(asking("b"), ["a", "b"])).toBe(true);
  expect(asksOnly(asking("a", "c"), ["a", "b"])).toBe(false);
});

test("containersService() lists what was asked for alone, as the whole list has it", async () => {
  using store = fill();
  const { Container } = containersV1;
  const list = async (context: CallContext, filters: readonly string[] = []) => {
    const { containers } = await containersService(store).list({ filters: [...filters] }, context);
    return complete(Container, containers);
  };
  const whole = await list(asking());
  expect(whole).toHaveLength(1001);
  expect(await list(asking("id", "image", "runtime.name"))).toEqual(
    whole.map(({ id, image }) => Container.fromPartial({ id, image, runtime: { name: "r" } })),
  );
  expect(await list(asking("id", "labels"))).toEqual(whole);
  expect(await list(asking("id"), ["labels.at==4"])).toMatchObject([{ id: "c4" }]);
});

test("imagesService() lists what was asked for alone, as the whole list has it", async () => {
  using store = fill();
  const { Image } = imagesV1;
  const list = async (context: CallContext, filters: readonly string[] = []) => {
    const { images } = await imagesService(store).list({ filters: [...filters] }, context);
    return complete(Image, images);
  };
  const whole = await list(asking());
  expect(whole).toHaveLength(1001);
  expect(await list(asking("name", "target", "labels"))).toEqual(
    whole.map((image) => ({ ...image, createdAt: undefined, updatedAt: undefined })),
  );
  expect(await list(asking("name", "created_at"))).toEqual(whole);
  expect(await list(asking("name"), ["labels.at==4"])).toMatchObject([{ name: "i4" }]);
});

test("contentService() lists what was asked for alone, as the whole list has it", async () => {
  using store = fill();
  const { Info } = contentV1;
  const { list } = contentService((context) => new EngineContent(store, scopeOf(context)));
  const whole = await gather(Info, list({ filters: [] }, asking()));
  expect(whole).toHaveLength(1001);
  expect(await gather(Info, list({ filters: [] }, asking("digest", "size", "created_at", "labels")))).toEqual(
    whole.map((info) => ({ ...info, updatedAt: undefined })),
  );
  expect(await gather(Info, list({ filters: [] }, asking("digest", "updated_at")))).toEqual(whole);
  expect(await gather(Info, list({ filters: ["labels.at==4"] }, asking("digest")))).toHaveLength(1);
});

test("snapshotsService() lists what was asked for alone, as the whole list has it", async () => {
  using store = fill();
  const { Info } = snapshotsV1;
  const of = (context: CallContext, name: string) => openSnapshotter(store, scopeOf(context), name);
  const { list } = snapshotsService({ of });
  const request = { snapshotter: "native", filters: [] };
  const whole = await gather(Info, list(request, asking()));
  expect(whole).toHaveLength(1001);
  expect(await gather(Info, list(request, asking("name", "parent", "kind")))).toEqual(
    whole.map((info) => ({ ...info, createdAt: undefined, updatedAt: undefined, labels: {} })),
  );
  expect(await gather(Info, list(request, asking("name", "labels")))).toEqual(whole);
  expect(await gather(Info, list({ ...request, filters: ["labels.at==4"] }, asking("name")))).toHaveLength(1);
});
