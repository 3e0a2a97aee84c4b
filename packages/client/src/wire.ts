import type { descriptorTypes, mountTypes, platformTypes } from "@ctr/api";
import { type Descriptor, type Labels, type Mount, type Platform, parseDigest, type Timestamp } from "@ctr/oci";

/** Seconds of 0001-01-01, which containerd sends where it means "not yet". */
const GO_ZERO_TIME = -62135596800n;

/** A time as the wire has it; Go's zero time and the unset one are both `undefined`. */
export function timestampFromWire(time: Timestamp | undefined): Timestamp | undefined {
  return time === undefined || (time.seconds === GO_ZERO_TIME && time.nanos === 0) ? undefined : time;
}

/** A descriptor as the wire has it. Throws `invalid_argument` on a digest that is none. */
export function descriptorFromWire(wire: descriptorTypes.Descriptor): Descriptor {
  return {
    mediaType: wire.mediaType,
    digest: parseDigest(wire.digest),
    size: wire.size,
    ...(Object.keys(wire.annotations).length === 0 ? {} : { annotations: wire.annotations }),
  };
}

/** The four fields of a descriptor that the wire knows. */
export function descriptorToWire(descriptor: Descriptor): {
  mediaType: string;
  digest: string;
  size: bigint;
  annotations: Labels;
} {
  const { mediaType, digest, size, annotations } = descriptor;
  return { mediaType, digest, size, annotations: annotations ?? {} };
}

export function mountsFromWire(mounts: readonly mountTypes.Mount[]): readonly Mount[] {
  return mounts.map(({ type, source, target, options }) => ({ type, source, target, options }));
}

export function platformFromWire(wire: platformTypes.Platform): Platform {
  return {
    os: wire.os,
    architecture: wire.architecture,
    ...(wire.variant === "" ? {} : { variant: wire.variant }),
    ...(wire.osVersion === "" ? {} : { osVersion: wire.osVersion }),
    ...(wire.osFeatures.length === 0 ? {} : { osFeatures: wire.osFeatures }),
  };
}
