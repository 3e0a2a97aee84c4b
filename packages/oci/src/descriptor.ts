import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** Names bytes. Image-spec, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes as stored. */
  readonly size: bigint;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly urls?: readonly string[];
  readonly artifactType?: string;
}
