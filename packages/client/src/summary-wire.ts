import type { containersV1, contentV1, imagesV1, namespacesV1, snapshotsV1 } from "@ctr/api";
import { type TextField, textMethod } from "./text-method.ts";
import { WireCursor } from "./wire-cursor.ts";

// The lists of the services, decoded of each row what its summary shows; the other fields stay as if they were not set.
// Tags are those of the .proto files: eight times the field's number, plus 2 for a text or a message.

interface Filtered {
  readonly filters: readonly string[];
}

function filtersOf({ filters }: Filtered, tag = 0x0a): readonly TextField[] {
  const fields: TextField[] = [];
  for (const text of filters) fields.push([tag, text]);
  return fields;
}

/** Containers: id, image and the runtime's name. */
export const containerSummaries = async () => {
  const read = (bytes: Uint8Array) => ({ containers: readRows(bytes, readContainer) });
  const list = textMethod("List", { texts: filtersOf, read, responseStream: false });
  return { name: "Containers", fullName: "containerd.services.containers.v1.Containers", methods: { list } };
};

/** Blobs: all but the time of the last change. */
export const contentSummaries = async () => {
  const read = (bytes: Uint8Array) => ({ info: readRows(bytes, readBlobInfo) });
  const list = textMethod("List", { texts: filtersOf, read, responseStream: true });
  return { name: "Content", fullName: "containerd.services.content.v1.Content", methods: { list } };
};

/** Images: all but the times. */
export const imageSummaries = async () => {
  const read = (bytes: Uint8Array) => ({ images: readRows(bytes, readImage) });
  const list = textMethod("List", { texts: filtersOf, read, responseStream: false });
  return { name: "Images", fullName: "containerd.services.images.v1.Images", methods: { list } };
};

/** Namespaces, whole. */
export const namespaceSummaries = async () => {
  const read = (bytes: Uint8Array) => ({ namespaces: readRows(bytes, readNamespace) });
  // Nobody has a filter for them, and the services know none.
  const texts = (_: { readonly filter: "" }) => [];
  const list = textMethod("List", { texts, read, responseStream: false });
  return { name: "Namespaces", fullName: "containerd.services.namespaces.v1.Namespaces", methods: { list } };
};

/** Snapshots: name, parent and kind. */
export const snapshotSummaries = async () => {
  const read = (bytes: Uint8Array) => ({ info: readRows(bytes, readSnapshotInfo) });
  const texts = ({ snapshotter, ...request }: Filtered & { readonly snapshotter: string }) => {
    return [[0x0a, snapshotter] as const, ...filtersOf(request, 0x12)];
  };
  const list = textMethod("List", { texts, read, responseStream: true });
  return { name: "Snapshots", fullName: "containerd.services.snapshots.v1.Snapshots", methods: { list } };
};

/** The first field of every list's answer is its rows. */
function readRows<T>(bytes: Uint8Array, readRow: (cursor: WireCursor, end: number) => T): T[] {
  const cursor = new WireCursor(bytes);
  const rows: T[] = [];
  while (cursor.at < cursor.length) {
    const tag = cursor.varint();
    if (tag === 0x0a) rows.push(readRow(cursor, cursor.end()));
    else cursor.skip(tag);
  }
  return rows;
}

function readNamespace(cursor: WireCursor, end: number): namespacesV1.Namespace {
  let name = "";
  const labels: Record<string, string> = {};
  while (cursor.at < end) {
    const tag = cursor.varint();
    if (tag === 0x0a) name = cursor.text();
    else if (tag === 0x12) cursor.entry(labels);
    else cursor.skip(tag);
  }
  return { name, labels };
}

function readContainer(cursor: WireCursor, end: number): containersV1.Container {
  let id = "";
  let image = "";
  let runtime = "";
  let hasRuntime = false;
  while (cursor.at < end) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x0a:
        id = cursor.text();
        break;
      case 0x1a:
        image = cursor.text();
        break;
      case 0x22:
        hasRuntime = true;
        runtime = readName(cursor, cursor.end());
        break;
      default:
        cursor.skip(tag);
    }
  }
  return {
    id,
    image,
    runtime: hasRuntime ? { name: runtime, options: undefined } : undefined,
    spec: undefined,
    snapshotter: "",
    snapshotKey: "",
    sandbox: "",
    extensions: {},
    labels: {},
    createdAt: undefined,
    updatedAt: undefined,
  };
}

function readName(cursor: WireCursor, end: number): string {
  let name = "";
  while (cursor.at < end) {
    const tag = cursor.varint();
    if (tag === 0x0a) name = cursor.text();
    else cursor.skip(tag);
  }
  return name;
}

function readBlobInfo(cursor: WireCursor, end: number): contentV1.Info {
  let digest = "";
  let size = 0n;
  let createdAt: contentV1.Info["createdAt"];
  const labels: Record<string, string> = {};
  while (cursor.at < end) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x0a:
        digest = cursor.text();
        break;
      case 0x10:
        size = cursor.int64();
        break;
      case 0x1a:
        createdAt = readTimestamp(cursor, cursor.end());
        break;
      case 0x2a:
        cursor.entry(labels);
        break;
      default:
        cursor.skip(tag);
    }
  }
  return { digest, size, createdAt, updatedAt: undefined, labels };
}

function readTimestamp(cursor: WireCursor, end: number): { seconds: bigint; nanos: number } {
  let seconds = 0n;
  let nanos = 0;
  while (cursor.at < end) {
    const tag = cursor.varint();
    if (tag === 0x08) seconds = cursor.int64();
    else if (tag === 0x10) nanos = cursor.varint();
    else cursor.skip(tag);
  }
  return { seconds, nanos };
}

function readImage(cursor: WireCursor, end: number): imagesV1.Image {
  let name = "";
  let target: imagesV1.Image["target"];
  const labels: Record<string, string> = {};
  while (cursor.at < end) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x0a:
        name = cursor.text();
        break;
      case 0x12:
        cursor.entry(labels);
        break;
      case 0x1a:
        target = readDescriptor(cursor, cursor.end());
        break;
      default:
        cursor.skip(tag);
    }
  }
  return { name, target, labels, createdAt: undefined, updatedAt: undefined };
}

function readDescriptor(cursor: WireCursor, end: number): NonNullable<imagesV1.Image["target"]> {
  let mediaType = "";
  let digest = "";
  let size = 0n;
  const annotations: Record<string, string> = {};
  while (cursor.at < end) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x0a:
        mediaType = cursor.text();
        break;
      case 0x12:
        digest = cursor.text();
        break;
      case 0x18:
        size = cursor.int64();
        break;
      case 0x2a:
        cursor.entry(annotations);
        break;
      default:
        cursor.skip(tag);
    }
  }
  return { mediaType, digest, size, annotations };
}

function readSnapshotInfo(cursor: WireCursor, end: number): snapshotsV1.Info {
  let name = "";
  let parent = "";
  let kind: snapshotsV1.Kind = 0;
  while (cursor.at < end) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x0a:
        name = cursor.text();
        break;
      case 0x12:
        parent = cursor.text();
        break;
      case 0x18:
        // An enum's numbers are whatever the daemon sends.
        kind = cursor.varint() as snapshotsV1.Kind;
        break;
      default:
        cursor.skip(tag);
    }
  }
  return { name, parent, kind, createdAt: undefined, updatedAt: undefined, labels: {} };
}
