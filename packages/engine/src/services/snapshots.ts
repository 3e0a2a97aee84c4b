import { ContainerdError, protobufEmpty, snapshotsV1 } from "@ctr/api";
import type { Labels, Mount, SnapshotInfo, SnapshotKind } from "@ctr/oci";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import { updateLabels } from "../metadata/field-mask.ts";
import type { StoreSnapshotter } from "../snapshots/store-snapshotter.ts";

/** Infos per List message, as containerd. */
const LIST_PAGE = 100;

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
      let page: SnapshotInfo[] = [];
      for await (const info of (await of(context, req.snapshotter)).walk(req.filters, context)) {
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

function mountToWire(mount: Mount) {
  return { ...mount, options: [...mount.options] };
}
