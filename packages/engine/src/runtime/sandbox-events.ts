import { type protobufAny, sandboxEvents } from "@ctr/api";
import type { Timestamp } from "@ctr/oci";
import { publish } from "../events/journal.ts";
import type { Store } from "../store/store.ts";

export interface SandboxExit {
  readonly exitStatus: number;
  readonly exitedAt: Timestamp;
}

interface SandboxKey {
  readonly namespace: string;
  readonly id: string;
}

/** Tells that a sandbox was made, or started. */
export function publishSandbox(store: Store, { namespace, id }: SandboxKey, kind: "create" | "start"): void {
  const sandbox = { sandboxId: id };
  const event: protobufAny.Any =
    kind === "create"
      ? {
          typeUrl: "containerd.events.SandboxCreate",
          value: sandboxEvents.SandboxCreate.encode(sandboxEvents.SandboxCreate.fromPartial(sandbox)).finish(),
        }
      : {
          typeUrl: "containerd.events.SandboxStart",
          value: sandboxEvents.SandboxStart.encode(sandboxEvents.SandboxStart.fromPartial(sandbox)).finish(),
        };
  store.db.writeUnsynced((tx) => publish(store, tx, { namespace, topic: `/sandboxes/${kind}`, event }));
}

/** Tells once that a sandbox has ended, however many waited for it. */
export function publishSandboxExit(store: Store, { namespace, id }: SandboxKey, exit: SandboxExit): void {
  const { exitStatus, exitedAt } = exit;
  const value = sandboxEvents.SandboxExit.encode(
    sandboxEvents.SandboxExit.fromPartial({ sandboxId: id, exitStatus, exitedAt }),
  ).finish();
  const event = { typeUrl: "containerd.events.SandboxExit", value };
  const once = `sandbox-exit ${namespace} ${id} ${exitedAt.seconds}.${exitedAt.nanos}`;
  store.db.writeUnsynced((tx) => publish(store, tx, { namespace, topic: "/sandboxes/exit", event, once }));
}
