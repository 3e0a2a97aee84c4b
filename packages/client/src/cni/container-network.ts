import { encodeJsonAny } from "@ctr/api";
import type { ContainerRecord } from "../containers.ts";
import type { CniOptions, CniTarget } from "./cni.ts";

/** The extension in which a container's record says that its tasks are connected to a network; the Go ctr's. */
const EXTENSION = "ctr.cni-containerd.metadata";
const TYPE_URL = "github.com/containerd/containerd/v2/cmd/ctr/commands/NetworkMetaData";

/** What a new container's record says where its tasks are to be connected. */
export function networkExtensions(): ContainerRecord["extensions"] {
  return { [EXTENSION]: encodeJsonAny(TYPE_URL, { EnableCni: true }) };
}

/** Whether a container's tasks are to be connected. */
export function wantsNetwork({ extensions }: Pick<ContainerRecord, "extensions">): boolean {
  const extension = extensions[EXTENSION];
  // JSON of one member; text that is none means nothing.
  return extension !== undefined && /"EnableCni"\s*:\s*true/.test(new TextDecoder().decode(extension.value));
}

/** The name plugins know a container by, and what tells it from another of that name. */
export function networkTarget(namespace: string, { id, createdAt }: ContainerRecord): CniTarget {
  const owner = createdAt === undefined ? "" : `${createdAt.seconds}.${createdAt.nanos}`;
  return { id: `${namespace}-${id}`, owner };
}

/** Whether a container could be connected here; throws what connecting it would: `failed_precondition`, `invalid_argument`. */
export async function checkNetwork(options: CniOptions = {}): Promise<void> {
  (await import("./cni.ts")).findNetwork(options);
}
