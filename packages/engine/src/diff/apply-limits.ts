/** What one layer may take (R12); past it unpacking stops with `resource_exhausted`. */
export interface ApplyLimits {
  /** Bytes of the uncompressed stream. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Uncompressed bytes per compressed one, once `ratioAfterBytes` came out: a bomb is stopped before the disk is full. */
  readonly maxRatio: number;
  readonly ratioAfterBytes: number;
}

/**
 * Far above any image that is known: deflate itself stays below 1,032 to 1, and zstd, which does not, is only used at
 * such ratios by an attack.
 */
export const defaultLimits: ApplyLimits = {
  maxBytes: 2 ** 41,
  maxEntries: 10_000_000,
  maxRatio: 2000,
  ratioAfterBytes: 2 ** 30,
};
