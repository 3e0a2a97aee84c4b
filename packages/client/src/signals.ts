import { ContainerdError } from "@ctr/api";

/** Linux signal numbers, x86 and arm; the architectures containers run on agree on all of these. */
const numbers: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
};

const RTMIN = 34;
const RTMAX = 64;

/**
 * The number of a signal given as `SIGTERM`, `term` or `15`; real-time ones as `RTMIN+3`, `RTMAX-1`. Throws
 * `invalid_argument`.
 */
export function parseSignal(text: string | number): number {
  const word = String(text).trim().toUpperCase().replace(/^SIG/, "");
  const signal = /^\d+$/.test(word) ? Number(word) : (numbers[word] ?? realTime(word));
  if (signal !== undefined && signal > 0 && signal <= RTMAX) return signal;
  throw new ContainerdError({
    code: "invalid_argument",
    what: `invalid signal: ${text}`,
    fix: "name it as in SIGTERM, TERM or 15",
  });
}

/** `SIGTERM` for 15; undefined for a number that has no name. */
export function signalName(signal: number): string | undefined {
  const found = Object.entries(numbers).find(([, number]) => number === signal);
  return found && `SIG${found[0]}`;
}

function realTime(word: string): number | undefined {
  const [, base, sign, offset] = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(word) ?? [];
  if (base === undefined) return undefined;
  const number = (base === "RTMIN" ? RTMIN : RTMAX) + Number(`${sign ?? ""}${offset ?? 0}`);
  return number >= RTMIN ? number : undefined;
}

/** Label under which a container keeps its image's stop signal, for whoever ends its process nicely. */
export const STOP_SIGNAL_LABEL = "io.containerd.image.config.stop-signal";
