/** Nanoseconds by Go's unit words; both micro signs are accepted, as Go does. */
const units: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

const MAX = 2n ** 63n - 1n;

/** A Go duration (`1h30m`, `-1.5s`, `0`) in nanoseconds; undefined where Go finds a fault. */
export function parseGoDuration(text: string): bigint | undefined {
  const negative = text.startsWith("-");
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0n;
  if (rest === "") return undefined;
  let total = 0n;
  while (rest !== "") {
    const part = /^(\d*)(?:\.(\d*))?([^\d.]+)/.exec(rest);
    const unit = units.get(part?.[3] ?? "");
    if (!part || unit === undefined || `${part[1]}${part[2] ?? ""}` === "") return undefined;
    total += BigInt(part[1] || "0") * unit + fraction(part[2] ?? "", unit);
    rest = rest.slice(part[0].length);
  }
  if (total > MAX) return undefined;
  return negative ? -total : total;
}

function fraction(digits: string, unit: bigint): bigint {
  return digits === "" ? 0n : (BigInt(digits) * unit) / 10n ** BigInt(digits.length);
}

/** Nanoseconds as Go prints them: `1h0m0s`, `103.623609ms`, `0s`. */
export function formatGoDuration(nanoseconds: bigint): string {
  if (nanoseconds < 0n) return `-${formatGoDuration(-nanoseconds)}`;
  if (nanoseconds === 0n) return "0s";
  if (nanoseconds < 1_000n) return `${nanoseconds}ns`;
  if (nanoseconds < 1_000_000n) return `${decimal(nanoseconds, 3)}µs`;
  if (nanoseconds < 1_000_000_000n) return `${decimal(nanoseconds, 6)}ms`;
  const seconds = nanoseconds / 1_000_000_000n;
  const text = `${decimal(nanoseconds % 60_000_000_000n, 9)}s`;
  if (seconds < 60n) return text;
  const minutes = seconds / 60n;
  return minutes < 60n ? `${minutes}m${text}` : `${minutes / 60n}h${minutes % 60n}m${text}`;
}

function decimal(value: bigint, places: number): string {
  const digits = value.toString().padStart(places + 1, "0");
  const fractional = digits.slice(-places).replace(/0+$/, "");
  return digits.slice(0, -places) + (fractional === "" ? "" : `.${fractional}`);
}
