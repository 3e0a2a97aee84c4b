import type { Timestamp } from "@ctr/oci";

const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"] as const;
const SI = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"] as const;

/** Bytes in base 1024 with one decimal: `1.0 MiB`. */
export function formatIec(bytes: bigint | number): string {
  const { value, unit } = scale(Number(bytes), 1024, IEC);
  return `${value.toFixed(1)} ${unit}`;
}

/** Bytes in base 1000 with four significant digits: `1.088MB`. */
export function formatSi(bytes: bigint): string {
  const count = Number(bytes);
  // As they are; the rest of this is nothing to do for thousands of them.
  if (count >= 0 && count < 1000) return `${count}B`;
  const { value, unit } = scale(count, 1000, SI);
  return significant(value) + unit;
}

function scale(bytes: number, base: number, names: readonly string[]): { value: number; unit: string } {
  let value = bytes;
  let index = 0;
  while (value >= base && index < names.length - 1) {
    value /= base;
    index++;
  }
  return { value, unit: names[index] ?? "" };
}

/** Go's `%.4g`: trailing zeros dropped, an exponent from 10⁴ on. */
function significant(value: number): string {
  const text = value.toPrecision(4);
  const [mantissa = "", exponent] = text.split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return exponent === undefined ? short : `${short}e+${exponent.replace(/^\+/, "").padStart(2, "0")}`;
}

const SECOND = 1_000_000_000n;

/** Nanoseconds since the epoch. */
export function toNanos(time: Timestamp): bigint {
  return time.seconds * SECOND + BigInt(time.nanos);
}

/** Nanoseconds since the epoch as a wire time. */
export function fromNanos(nanos: bigint): Timestamp {
  const seconds = nanos / SECOND - (nanos % SECOND < 0n ? 1n : 0n);
  return { seconds, nanos: Number(nanos - seconds * SECOND) };
}

/** The clock, to the millisecond. */
export function now(): Timestamp {
  return fromNanos(BigInt(Date.now()) * 1_000_000n);
}

/** How long before `at` a time was, in words; `-` for none. */
export function ageOf(time: Timestamp | undefined, at: Timestamp): string {
  if (time === undefined) return "-";
  // In numbers, which hold this without loss and are a tenth of the work of big integers.
  return formatAge(Number(at.seconds - time.seconds) * 1000 + Math.floor((at.nanos - time.nanos) / 1_000_000));
}

/** Whole milliseconds in words, as content tables say it: `About a minute`, `3 days`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(milliseconds / 3_600_000 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
}

/** Go's zero time, which unset times print as. */
export const zeroTime: Timestamp = { seconds: -62135596800n, nanos: 0 };

/** `2026-11-23 18:02:51.627489357 +0000 UTC`: trailing zeros of the fraction dropped. */
export function formatGoTime(time: Timestamp | undefined): string {
  const { date, clock, fraction } = parts(time ?? zeroTime);
  return `${date} ${clock}${fraction} +0000 UTC`;
}

/** RFC 3339 in UTC with up to nine digits of fraction, as Go's JSON has it. */
export function formatRfc3339Nano(time: Timestamp | undefined): string {
  const { date, clock, fraction } = parts(time ?? zeroTime);
  return `${date}T${clock}${fraction}Z`;
}

/** RFC 3339 in UTC, whole seconds. */
export function formatRfc3339(time: Timestamp | undefined): string {
  const { date, clock } = parts(time ?? zeroTime);
  return `${date}T${clock}Z`;
}

/** RFC 3339 whole seconds in the machine's own zone; `Z` where that is UTC. */
export function formatLocalRfc3339(time: Timestamp | undefined): string {
  const at = time ?? zeroTime;
  const minutes = -new Date(Number(at.seconds) * 1000).getTimezoneOffset();
  if (minutes === 0) return formatRfc3339(at);
  const { date, clock } = parts({ seconds: at.seconds + BigInt(minutes * 60), nanos: 0 });
  const offset = Math.abs(minutes);
  return `${date}T${clock}${minutes < 0 ? "-" : "+"}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
}

function two(value: number): string {
  return value.toString().padStart(2, "0");
}

function parts(time: Timestamp): { date: string; clock: string; fraction: string } {
  // Years below 1 and above 9999 do not come from containerd; toISOString writes them with six digits.
  const iso = new Date(Number(time.seconds) * 1000).toISOString();
  const fraction = time.nanos === 0 ? "" : `.${time.nanos.toString().padStart(9, "0").replace(/0+$/, "")}`;
  return { date: iso.slice(0, iso.indexOf("T")), clock: iso.slice(iso.indexOf("T") + 1, -5), fraction };
}
