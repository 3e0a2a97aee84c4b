import { expect, test } from "bun:test";
import { containersV1, contentV1, imagesV1, introspectionV1, namespacesV1, snapshotsV1, versionV1 } from "@ctr/api";
import type { MessageType, MethodDefinition, ServiceDefinition } from "@ctr/rpc";
import fc from "fast-check";
import { wholeBlobs } from "./content-documents.ts";
import {
  containerSummaries,
  contentSummaries,
  imageSummaries,
  namespaceSummaries,
  snapshotSummaries,
} from "./summary-wire.ts";
import { identityService, versionService } from "./version.ts";

const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ minLength: 130, maxLength: 140 }));
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 50n }));
// A key of this name is no key to the generated code.
const labels = fc.dictionary(
  text.filter((key) => key !== "__proto__"),
  text,
);
const any = fc.record({ typeUrl: text, value: fc.uint8Array() });
const time = fc.option(fc.record({ seconds: int64, nanos: fc.nat({ max: 999_999_999 }) }), { nil: undefined });
const times = { createdAt: time, updatedAt: time };

const container = fc.record({
  id: text,
  labels,
  image: text,
  runtime: fc.option(fc.record({ name: text, options: fc.option(any, { nil: undefined }) }), { nil: undefined }),
  spec: fc.option(any, { nil: undefined }),
  snapshotter: text,
  snapshotKey: text,
  ...times,
  extensions: fc.dictionary(
    text.filter((key) => key !== "__proto__"),
    any,
  ),
  sandbox: text,
});
const target = fc.record({ mediaType: text, digest: text, size: int64, annotations: labels });
const blob = fc.record({ digest: text, size: int64, labels, ...times });
const image = fc.record({ name: text, labels, target: fc.option(target, { nil: undefined }), ...times });
const snapshot = fc.record({
  name: text,
  parent: text,
  kind: fc.constantFrom<snapshotsV1.Kind>(0, 1, 2, 3),
  labels,
  ...times,
});

/** Every row that the generated code writes is read as it reads it, but for what a summary leaves out. */
async function check<T, Row>(
  type: MessageType<T>,
  summary: MessageType<T>,
  pages: fc.Arbitrary<T>,
  rowsOf: (page: T) => readonly Row[],
  leftOut: Partial<Row>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(pages, fc.nat(), async (page, cut) => {
      const bytes = type.encode(page).finish();
      const whole = rowsOf(type.decode(bytes));
      expect(rowsOf(summary.decode(bytes))).toEqual(whole.map((row) => ({ ...row, ...leftOut })));
      const part = bytes.subarray(0, cut % (bytes.byteLength + 1));
      // Where the generated code finds bytes that end too early, so does this.
      const read = attempt(() => rowsOf(summary.decode(part)).length);
      if (attempt(() => rowsOf(type.decode(part)).length) === undefined) expect(read).toBeUndefined();
    }),
  );
}

/** Undefined for bytes that end too early. */
function attempt(read: () => number): number | undefined {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return undefined;
  }
}

const noTimes = { createdAt: undefined, updatedAt: undefined };

test("containerSummaries reads id, image and the runtime's name of what generated code writes", async () => {
  const { responseType } = (await containerSummaries()).methods.list;
  const rest = { spec: undefined, snapshotter: "", snapshotKey: "", extensions: {}, sandbox: "", labels: {} };
  await check(
    containersV1.ListContainersResponse,
    responseType,
    fc.record({ containers: fc.array(container) }),
    ({ containers }) => containers.map((row) => ({ ...row, runtime: row.runtime && { name: row.runtime.name } })),
    { ...rest, ...noTimes },
  );
});

test("contentSummaries reads all but the last change of what generated code writes", async () => {
  const { responseType } = (await contentSummaries()).methods.list;
  const pages = fc.record({ info: fc.array(blob) });
  await check(contentV1.ListContentResponse, responseType, pages, ({ info }) => info, { updatedAt: undefined });
});

test("imageSummaries reads all but the times of what generated code writes", async () => {
  const { responseType } = (await imageSummaries()).methods.list;
  const pages = fc.record({ images: fc.array(image) });
  await check(imagesV1.ListImagesResponse, responseType, pages, ({ images }) => images, noTimes);
});

test("snapshotSummaries reads name, parent and kind of what generated code writes", async () => {
  const { responseType } = (await snapshotSummaries()).methods.list;
  const pages = fc.record({ info: fc.array(snapshot) });
  const leftOut = { labels: {}, ...noTimes };
  await check(snapshotsV1.ListSnapshotsResponse, responseType, pages, ({ info }) => info, leftOut);
});

test("namespaceSummaries reads what generated code writes", async () => {
  const { responseType } = (await namespaceSummaries()).methods.list;
  const pages = fc.record({ namespaces: fc.array(fc.record({ name: text, labels })) });
  await check(namespacesV1.ListNamespacesResponse, responseType, pages, ({ namespaces }) => namespaces, {});
});

test("wholeBlobs reads the bytes that generated code writes", async () => {
  const { responseType } = (await wholeBlobs()).methods.read;
  const type = contentV1.ReadContentResponse;
  fc.assert(
    fc.property(int64, fc.uint8Array(), (offset, data) => {
      const read = responseType.decode(type.encode({ offset, data }).finish());
      expect([...read.data]).toEqual([...data]);
    }),
  );
});

test("versionService and identityService read what generated code writes", async () => {
  const version = (await versionService()).methods.version.responseType;
  const server = (await identityService()).methods.server.responseType;
  fc.assert(
    fc.property(text, text, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (one, other, number) => {
      const said = versionV1.VersionResponse.encode({ version: one, revision: other }).finish();
      expect(version.decode(said)).toEqual({ version: one, revision: other });
      const deprecations = [{ id: other, message: other, lastOccurrence: undefined }];
      const facts = { uuid: one, pid: number, pidns: number, deprecations };
      expect(server.decode(introspectionV1.ServerResponse.encode(facts).finish())).toEqual({ uuid: one });
    }),
  );
});

const filters = fc.array(text);
const nothing = fc.constant({});

test.each<[string, string, ServiceDefinition, () => Promise<ServiceDefinition>, fc.Arbitrary<object>]>([
  ["containerSummaries", "list", containersV1.ContainersDefinition, containerSummaries, fc.record({ filters })],
  ["contentSummaries", "list", contentV1.ContentDefinition, contentSummaries, fc.record({ filters })],
  ["wholeBlobs", "read", contentV1.ContentDefinition, wholeBlobs, fc.record({ digest: text })],
  ["imageSummaries", "list", imagesV1.ImagesDefinition, imageSummaries, fc.record({ filters })],
  ["identityService", "server", introspectionV1.IntrospectionDefinition, identityService, nothing],
  ["namespaceSummaries", "list", namespacesV1.NamespacesDefinition, namespaceSummaries, nothing],
  [
    "snapshotSummaries",
    "list",
    snapshotsV1.SnapshotsDefinition,
    snapshotSummaries,
    fc.record({ snapshotter: text, filters }),
  ],
  ["versionService", "version", versionV1.VersionDefinition, versionService, nothing],
])("%s asks %s as generated code does", async (_name, method, generated, load, requests) => {
  const byHand = await load();
  const theirs = pick(generated, method);
  const ours = pick(byHand, method);
  const facts = ({ name, requestStream, responseStream }: typeof ours) => [name, requestStream, responseStream];
  expect([byHand.name, byHand.fullName, facts(ours)]).toEqual([generated.name, generated.fullName, facts(theirs)]);
  fc.assert(
    fc.property(requests, (given) => {
      const request = theirs.requestType.fromPartial(given);
      expect(theirs.requestType.decode(ours.requestType.encode(request).finish())).toEqual(request);
    }),
  );
});

function pick(service: ServiceDefinition, method: string): MethodDefinition<unknown, unknown> {
  const found = service.methods[method];
  if (found === undefined) throw new Error(method);
  return found;
}

test("what is no message is refused, and ends", async () => {
  const { responseType } = (await imageSummaries()).methods.list;
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      attempt(() => responseType.decode(bytes).images.length);
    }),
  );
  for (const bytes of [
    [0x0b],
    [0x0a, 0x05, 0x0a],
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x0a, 14, 0x1a, 12, 0x18, ...Array.from({ length: 10 }, () => 0xff), 0],
    [0x0d, 0],
  ]) {
    expect(() => responseType.decode(new Uint8Array(bytes))).toThrow(RangeError);
  }
});
