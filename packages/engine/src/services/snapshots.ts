import { ContainerdError, protobufEmpty, snapshotsV1 } from "@ctr/api";
import type { Labels, Mount, SnapshotInfo, SnapshotKind } from "@ctr/oci";
import { type CallContext, type ServiceImpl, wholeMessage } from "@ctr/rpc";
import { updateLabels } from "../metadata/field-mask.ts";
import type { SnapshotSummary } from "../snapshots/records.ts";
import type { StoreSnapshotter } from "../snapshots/store-snapshotter.ts";
import { asksOnly } from "./fields.ts";

/** Infos per List message, as containerd. */
const LIST_PAGE = 100;

/** The same where little is sent of each. */
const SUMMARY_PAGE = 1000;

/** What lists show, as the wire names it. */
const SUMMARY = ["name", "parent", "kind"];

const kindsOnWire: Readonly<Record<SnapshotKind, snapshotsV1.Kind>> = {
  unknown: snapshotsV1.Kind.UNKNOWN,
  view: snapshotsV1.Kind.VIEW,
  active: snapshotsV1.Kind.ACTIVE,
  committed: snapshotsV1.Kind.COMMITTED,
};

/** What gives the snapshotter a request names. */
export interface Snapshotters {
  /** `invalid_argument` for one that is not there. */
  of(context: CallContext, name: string): Promise<StoreSnapshotter>;
}

/** containerd.services.snapshots.v1.Snapshots over the snapshotters of the call's namespace. */
export function snapshotsService(snapshotters: Snapshotters): ServiceImpl<typeof snapshotsV1.SnapshotsDefinition> {
  const of = async (context: CallContext, name: string) => {
    if (name !== "") return snapshotters.of(context, name);
    throw new ContainerdError({ code: "invalid_argument", what: "snapshotter argument missing" });
  };
  return {
    async prepare(req, context) {
      const mounts = await (await of(context, req.snapshotter)).prepare(req.key, req.parent, {
        signal: context.signal,
        labels: req.labels,
      });
      return { mounts: mounts.map(mountToWire) };
    },

    async view(req, context) {
      const mounts = await (await of(context, req.snapshotter)).view(req.key, req.parent, {
        signal: context.signal,
        labels: req.labels,
      });
      return { mounts: mounts.map(mountToWire) };
    },

    async mounts(req, context) {
      return { mounts: (await (await of(context, req.snapshotter)).mounts(req.key, context)).map(mountToWire) };
    },

    async commit(req, context) {
      const options = { signal: context.signal, labels: req.labels, parent: req.parent };
      await (await of(context, req.snapshotter)).commit(req.name, req.key, options);
      return protobufEmpty.Empty.fromPartial({});
    },

    async remove(req, context) {
      await (await of(context, req.snapshotter)).remove(req.key, context);
      return protobufEmpty.Empty.fromPartial({});
    },

    async stat(req, context) {
      return { info: infoToWire(await (await of(context, req.snapshotter)).stat(req.key, context)) };
    },

    async update(req, context) {
      if (req.info === undefined) throw new ContainerdError({ code: "invalid_argument", what: "info is required" });
      const { name, labels } = req.info;
      const mask = { paths: req.updateMask ?? [], of: `snapshot ${JSON.stringify(name)}` };
      const change = (current: Labels) => updateLabels(current, labels, mask);
      return { info: infoToWire(await (await of(context, req.snapshotter)).update(name, change, context)) };
    },

    async *list(req, context) {
      const snapshotter = await of(context, req.snapshotter);
      if (snapshotter.summaries && req.filters.length === 0 && asksOnly(context, SUMMARY)) {
        const summaries = snapshotter.summaries();
        for (let at = 0; at < summaries.length; at += SUMMARY_PAGE) {
          const info = summaries.slice(at, at + SUMMARY_PAGE).map(summaryToWire);
          yield wholeMessage<snapshotsV1.ListSnapshotsResponse>({ info });
        }
        return;
      }
      let page: SnapshotInfo[] = [];
      for await (const info of snapshotter.walk(req.filters, context)) {
        page.push(info);
        if (page.length < LIST_PAGE) continue;
        yield { info: page.map(infoToWire) };
        page = [];
      }
      if (page.length > 0) yield { info: page.map(infoToWire) };
    },

    async usage(req, context) {
      return (await of(context, req.snapshotter)).usage(req.key, context);
    },

    async cleanup(req, context) {
      await (await of(context, req.snapshotter)).cleanup(context);
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}

function infoToWire(info: SnapshotInfo) {
  return { ...info, kind: kindsOnWire[info.kind] };
}

function summaryToWire({ kind, name, parent }: SnapshotSummary): snapshotsV1.Info {
  return { name, parent, kind: kindsOnWire[kind], createdAt: undefined, updatedAt: undefined, labels: {} };
}

function mountToWire(mount: Mount) {
  return { ...mount, options: [...mount.options] };
}
