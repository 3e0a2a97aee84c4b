import type { Timestamp } from "@ctr/oci";

/** Set by the build: true in the test build alone. */
declare const CTR_FAILPOINTS: boolean | undefined;

/** What time it is; tests bring their own. */
export interface Clock {
  /** Nanoseconds since 1970. */
  now(): bigint;
}

export const NANOS_PER_SECOND = 1_000_000_000n;

/** The host's clock. The runtime reads it to the microsecond, no finer. */
export const hostClock: Clock = {
  now: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n + clockShift(),
};

export function timestampOf(nanos: bigint): Timestamp {
  // Rounded down, so that a time before 1970 keeps its nanoseconds positive, as protobuf asks.
  const nanosOfSecond = ((nanos % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  return { seconds: (nanos - nanosOfSecond) / NANOS_PER_SECOND, nanos: Number(nanosOfSecond) };
}

export function nanosOf(time: Timestamp): bigint {
  return time.seconds * NANOS_PER_SECOND + BigInt(time.nanos);
}

/** How far the test build's clock is put forward, in nanoseconds: `CTR_CLOCK_SHIFT` says seconds. */
function clockShift(): bigint {
  if (typeof CTR_FAILPOINTS !== "undefined" && CTR_FAILPOINTS) {
    return BigInt(process.env["CTR_CLOCK_SHIFT"] ?? "0") * 1_000_000_000n;
  }
  return 0n;
}
