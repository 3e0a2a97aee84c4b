/** Milliseconds per unit of `grpc-timeout`. */
const units: Readonly<Record<string, number>> = { n: 1e-6, u: 1e-3, m: 1, S: 1000, M: 60_000, H: 3_600_000 };
/** The value has at most eight digits. */
const MAX_VALUE = 99_999_999;

/** A time limit as `grpc-timeout` carries it; rounded up, in the finest unit that fits. */
export function formatGrpcTimeout(timeoutMs: number): string {
  const ms = Math.max(1, Math.ceil(timeoutMs));
  for (const unit of ["m", "S", "M"]) {
    const value = Math.ceil(ms / (units[unit] ?? 1));
    if (value <= MAX_VALUE) return `${value}${unit}`;
  }
  return `${Math.min(MAX_VALUE, Math.ceil(ms / 3_600_000))}H`;
}

/** Milliseconds of a `grpc-timeout` value; undefined when it is not one. */
export function parseGrpcTimeout(text: string): number | undefined {
  const parts = /^(\d{1,8})([numSMH])$/.exec(text);
  const factor = units[parts?.[2] ?? ""];
  return parts && factor !== undefined ? Number(parts[1]) * factor : undefined;
}
