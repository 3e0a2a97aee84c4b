import { ContainerdError, type descriptorTypes, type imagesV1 } from "@ctr/api";
import { type Descriptor, type Image, parseDigest } from "@ctr/oci";
import type { DeepPartial } from "@ctr/rpc";

/** A descriptor as a client sent it. `invalid_argument` for a digest that is none. */
export function descriptorFromWire(wire: descriptorTypes.Descriptor): Descriptor {
  const { mediaType, size, annotations } = wire;
  const rest = Object.keys(annotations).length === 0 ? {} : { annotations };
  return { mediaType, digest: parseDigest(wire.digest), size, ...rest };
}

export function descriptorToWire(descriptor: Descriptor): DeepPartial<descriptorTypes.Descriptor> {
  const { mediaType, digest, size, annotations } = descriptor;
  return { mediaType, digest, size, annotations: { ...annotations } };
}

export function imageToWire({ name, labels, target, createdAt, updatedAt }: Image): DeepPartial<imagesV1.Image> {
  return { name, labels: { ...labels }, target: descriptorToWire(target), createdAt, updatedAt };
}

/** A part of a request that must be there, though the wire lets it be left out. */
export function required<T>(part: T | undefined, name: string): T {
  if (part !== undefined) return part;
  throw new ContainerdError({ code: "invalid_argument", what: `${name} is required` });
}
