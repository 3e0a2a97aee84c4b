import { ContainerdError, type containersV1, isJsonAny } from "@ctr/api";
import { encodeSpec, parseSpec, SPEC_TYPE_URL } from "@ctr/oci";
import type { DeepPartial } from "@ctr/rpc";
import type { Client } from "./client.ts";
import { Container } from "./container.ts";
import type { ContainerRecord, ContainerUpdate } from "./containers.ts";
import { timestampFromWire } from "./wire.ts";

// Between `Containers` and the wire; loaded with its first call, because it brings specs, tasks and their streams along.

/** The container in an answer. */
export function openContainer(client: Client, wire: containersV1.Container | undefined): Container {
  if (wire !== undefined) return new Container(client, fromWire(wire));
  throw new ContainerdError({ code: "internal", what: "cannot read containers answer", why: "it has no container" });
}

/** The record in a request; the spec travels as JSON. */
export function toWire(container: ContainerUpdate): DeepPartial<containersV1.Container> {
  const { id, labels, image, runtime, spec, rawSpec, snapshotter, snapshotKey, extensions, sandboxId } = container;
  return {
    id,
    labels,
    image,
    runtime,
    spec: spec === undefined ? rawSpec : { typeUrl: SPEC_TYPE_URL, value: encodeSpec(spec) },
    snapshotter,
    snapshotKey,
    extensions,
    sandbox: sandboxId,
  };
}

function fromWire(wire: containersV1.Container): ContainerRecord {
  const { id, labels, image, spec, snapshotter, snapshotKey, extensions, sandbox } = wire;
  let parsed: Pick<ContainerRecord, "spec"> | undefined;
  return {
    id,
    labels,
    image,
    runtime: { name: wire.runtime?.name ?? "", options: wire.runtime?.options },
    get spec() {
      parsed ??= { spec: spec !== undefined && isJsonAny(spec) ? parseSpec(spec.value) : undefined };
      return parsed.spec;
    },
    rawSpec: spec,
    snapshotter,
    snapshotKey,
    extensions,
    sandboxId: sandbox,
    createdAt: timestampFromWire(wire.createdAt),
    updatedAt: timestampFromWire(wire.updatedAt),
  };
}
