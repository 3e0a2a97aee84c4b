import { ContainerdError, type mountsV1, protobufEmpty } from "@ctr/api";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import type { Activations } from "../mounts/activations.ts";
import type { ActivationRecord } from "../mounts/records.ts";
import { timestampOf } from "../store/clock.ts";

/** containerd.services.mounts.v1.Mounts; `of` gives the activations of a call's namespace. */
export function mountsService(
  of: (context: CallContext) => Activations,
): ServiceImpl<typeof mountsV1.MountsDefinition> {
  return {
    async activate({ name, mounts, labels, temporary }, context) {
      const { signal } = context;
      return { info: infoToWire(await of(context).activate(name, mounts, { signal, labels, temporary })) };
    },

    async deactivate({ name }, context) {
      await of(context).deactivate(name, context);
      return protobufEmpty.Empty.fromPartial({});
    },

    async info({ name }, context) {
      return { info: infoToWire(await of(context).info(name)) };
    },

    async update() {
      throw new ContainerdError({ code: "unimplemented", what: "activations are not updated" });
    },

    /** Filters are taken and not looked at, as by containerd. */
    async *list(_req, context) {
      for (const record of await of(context).list()) yield { info: infoToWire(record) };
    },
  };
}

function infoToWire({ name, active, system, labels }: ActivationRecord) {
  return {
    name,
    active: active.map(({ type, mountPoint, mountedAt }) => ({
      mount: { type },
      mountPoint,
      mountedAt: timestampOf(mountedAt),
    })),
    system: system.map((mount) => ({ ...mount, options: [...mount.options] })),
    labels: { ...labels },
  };
}
