import type { Timestamp } from "@ctr/oci";
import { clockShift } from "../failpoint.ts";

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
