import type { Cancel, ContentManager, Labels } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import { isConfigType, isIndexType, isLayerType, isManifestType } from "./media-type.ts";

const PREFIX = "containerd.io/gc.ref.content.";

/** Names the label key of one child; `undefined` leaves it to be collected. A key that ends in `.` is always numbered. */
export type ChildLabel = (child: Descriptor) => string | undefined;

/** containerd's keys since 1.3: `m.N` for manifests, `config`, `l.N` for layers, plain numbers for the rest. */
export const childGcLabel: ChildLabel = (child) => {
  if (isManifestType(child.mediaType)) return `${PREFIX}m.`;
  if (isLayerType(child.mediaType)) return `${PREFIX}l.`;
  if (isConfigType(child.mediaType)) return `${PREFIX}config`;
  return PREFIX;
};

/** The same, but layers are left out: unpacked, they need not be kept. */
export const childGcLabelWithoutLayers: ChildLabel = (child) =>
  isLayerType(child.mediaType) ? undefined : childGcLabel(child);

/** The references that a parent of `children` carries. Numbers count from 0 for each key, not for each position. */
export function gcReferences(children: readonly Descriptor[], labelOf: ChildLabel = childGcLabel): Labels {
  const counts = new Map<string, number>();
  const labels: Record<string, string> = {};
  for (const child of children) {
    const key = labelOf(child);
    if (key === undefined) continue;
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    labels[count > 0 || key.endsWith(".") ? `${key}${count}` : key] = child.digest;
  }
  return labels;
}

/** Writes the references of `parent` to its blob; nothing when it has none. */
export async function setGcReferences(
  manager: ContentManager,
  edge: { readonly parent: Descriptor; readonly children: readonly Descriptor[]; readonly labelOf?: ChildLabel },
  options: Cancel,
): Promise<void> {
  const labels = gcReferences(edge.children, edge.labelOf ?? childGcLabel);
  if (Object.keys(labels).length > 0) await manager.setLabels(edge.parent.digest, labels, options);
}

export type DescriptorKind = "manifest" | "index" | "layer" | "config" | "attestation" | "unknown";

/** What a descriptor names, in the word that ref keys and progress lines begin with. */
export function descriptorKind(mediaType: string): DescriptorKind {
  if (isManifestType(mediaType)) return "manifest";
  if (isIndexType(mediaType)) return "index";
  if (mediaType === "application/vnd.in-toto+json") return "attestation";
  if (isLayerType(mediaType)) return "layer";
  return isConfigType(mediaType) ? "config" : "unknown";
}

/** The ingest ref of a descriptor: `layer-sha256:…`, or `manifest-NAME@sha256:…` where an annotation names it. */
export function refKey(descriptor: Descriptor): string {
  const name = descriptor.annotations?.["org.opencontainers.image.ref.name"];
  const prefix = descriptorKind(descriptor.mediaType);
  return name === undefined ? `${prefix}-${descriptor.digest}` : `${prefix}-${name}@${descriptor.digest}`;
}
