import { ContainerdError, type contentV1, protobufEmpty } from "@ctr/api";
import { type ContentInfo, type IngestStatus, type Labels, parseDigest } from "@ctr/oci";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import type { EngineContent } from "../content/store.ts";
import { updateLabels } from "../metadata/field-mask.ts";
import { contentWrite } from "./content-write.ts";

/** Infos per List message, as containerd. */
const LIST_PAGE = 100;

/** containerd.services.content.v1.Content over the blobs of the call's namespace. */
export function contentService(
  contentOf: (context: CallContext) => EngineContent,
): ServiceImpl<typeof contentV1.ContentDefinition> {
  return {
    async info(req, context) {
      const info = await contentOf(context).info(parseDigest(req.digest));
      return { info: infoToWire(info) };
    },

    async update(req, context) {
      if (req.info === undefined) throw new ContainerdError({ code: "invalid_argument", what: "info is required" });
      const { digest, labels } = req.info;
      const mask = { paths: req.updateMask ?? [], of: `content info ${JSON.stringify(digest)}` };
      const change = (current: Labels) => updateLabels(current, labels, mask);
      return { info: infoToWire(await contentOf(context).update(parseDigest(digest), change)) };
    },

    async *list(req, context) {
      let page: ContentInfo[] = [];
      for await (const info of contentOf(context).walk(req.filters, context)) {
        page.push(info);
        if (page.length < LIST_PAGE) continue;
        yield { info: page.map(infoToWire) };
        page = [];
      }
      if (page.length > 0) yield { info: page.map(infoToWire) };
    },

    async delete(req, context) {
      await contentOf(context).delete(parseDigest(req.digest));
      return protobufEmpty.Empty.fromPartial({});
    },

    async *read(req, context) {
      await using blob = await contentOf(context).readerAt(parseDigest(req.digest));
      const start = req.offset < 0n ? 0n : req.offset;
      if (start > blob.size) {
        const what = `read past object length ${blob.size} bytes`;
        throw new ContainerdError({ code: "out_of_range", what });
      }
      if (start === blob.size) return;
      // Offsets of the answer count from where the reading began.
      let offset = 0n;
      for await (const data of blob.stream({ offset: start, length: req.size > 0n ? req.size : 0n }, context)) {
        yield { offset, data };
        offset += BigInt(data.byteLength);
      }
    },

    async status(req, context) {
      return { status: statusToWire(await contentOf(context).status(req.ref)) };
    },

    async listStatuses(req, context) {
      return { statuses: (await contentOf(context).statuses(req.filters)).map(statusToWire) };
    },

    write: (requests, context) => contentWrite(contentOf(context), requests, context),

    async abort(req, context) {
      await contentOf(context).abort(req.ref);
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}

function infoToWire(info: ContentInfo) {
  return {
    digest: info.digest,
    size: info.size,
    createdAt: info.createdAt,
    updatedAt: info.updatedAt,
    labels: info.labels,
  };
}

function statusToWire(status: IngestStatus) {
  return { ...status, expected: status.expected ?? "" };
}
