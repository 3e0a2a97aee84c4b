const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[-+]\d\d:\d\d)$/;

/** A time of RFC 3339 as nanoseconds since 1970; undefined for text that is none. */
export function parseTime(text: string): bigint | undefined {
  const [, date, time, fraction = "", zone] = RFC3339.exec(text) ?? [];
  if (zone === undefined) return undefined;
  const millis = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  if (Number.isNaN(millis)) return undefined;
  return BigInt(millis) * 1_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}
