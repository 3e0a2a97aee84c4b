import type { diffV1, mountTypes } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import type { EngineDiffer } from "../diff/differ.ts";
import { descriptorFromWire, descriptorToWire, required } from "./wire.ts";

/** containerd.services.diff.v1.Diff over the differ of the call's namespace. Stream processors' payloads go unused. */
export function diffService(
  differOf: (context: CallContext) => EngineDiffer,
): ServiceImpl<typeof diffV1.DiffDefinition> {
  return {
    async apply(req, context) {
      const layer = descriptorFromWire(required(req.diff, "diff"));
      const options = { signal: context.signal, syncFs: req.syncFs };
      const applied = await differOf(context).apply(layer, req.mounts.map(mountFromWire), options);
      return { applied: descriptorToWire(applied) };
    },

    async diff(req, context) {
      const { mediaType, ref, labels, sourceDateEpoch } = req;
      const latest = sourceDateEpoch && { seconds: Number(sourceDateEpoch.seconds), nanos: sourceDateEpoch.nanos };
      const options = {
        signal: context.signal,
        mediaType,
        ref,
        labels,
        ...(latest === undefined ? {} : { sourceDateEpoch: latest }),
      };
      const [lower, upper] = [req.left.map(mountFromWire), req.right.map(mountFromWire)];
      return { diff: descriptorToWire(await differOf(context).compare(lower, upper, options)) };
    },
  };
}

function mountFromWire({ type, source, target, options }: mountTypes.Mount): Mount {
  return { type, source, target, options };
}
