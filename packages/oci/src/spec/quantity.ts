const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Reads an amount as Kubernetes writes it, `50M`, `1.5Gi` or `2e6`, rounded up to a whole number; undefined where it is none. */
export function parseQuantity(text: string): number | undefined {
  const [, sign = "", digits, exponent, suffix = ""] =
    /^([+-]?)(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text) ?? [];
  const scale = exponent === undefined ? suffixes[suffix] : 10 ** Number(exponent);
  if (digits === undefined || scale === undefined) return undefined;
  return Math.ceil((sign === "-" ? -1 : 1) * Number(digits) * scale);
}
