import { ContainerdError, hasCode } from "@ctr/api";

/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal.addEventListener("abort", stop, { once: true });
    }),
};

/** Sends of one request in all, answers to a 401 included; as containerd. */
export const MAX_ATTEMPTS = 5;
/** Re-opened reads of one blob without a byte of progress between them. */
export const MAX_STALLED_READS = 8;
/** Longest wait that a server's Retry-After is obeyed for, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;
const LONGEST_BACKOFF_MS = 5_000;

/** First wait by status, in milliseconds, doubled for each try; statuses not named are final. */
const statusBackoffMs: ReadonlyMap<number, number> = new Map([
  [408, 50],
  [429, 500],
  [500, 200],
  [502, 200],
  [503, 500],
  [504, 200],
]);

/** Milliseconds to wait before a request is sent again; `undefined` when the answer stands. `attempt` counts from 1. */
export function retryStatusAfter(
  status: number,
  attempt: number,
  answer: { readonly retryAfter: string; readonly now: number },
): number | undefined {
  const first = statusBackoffMs.get(status);
  if (first === undefined || attempt >= MAX_ATTEMPTS) return undefined;
  const asked = retryAfterMs(answer.retryAfter, answer.now);
  if (asked === undefined) return backoff(first, attempt);
  return asked <= MAX_RETRY_AFTER_MS ? asked : undefined;
}

/** The same for a request without an answer: resets and time-outs are tried again, a refused connection is not. */
export function retryErrorAfter(error: unknown, attempt: number): number | undefined {
  if (attempt >= MAX_ATTEMPTS) return undefined;
  return isBroken(error) ? backoff(50, attempt) : undefined;
}

/**
 * The same for a blob whose bytes stopped: whatever the connection did, refusing included, since a server that has
 * sent bytes is likely to return. `stalled` counts tries without progress, from 1.
 */
export function resumeReadAfter(error: unknown, stalled: number): number | undefined {
  if (stalled > MAX_STALLED_READS) return undefined;
  return hasCode(error, "unavailable", "deadline_exceeded", "data_loss") ? backoff(50, stalled) : undefined;
}

function isBroken(error: unknown): boolean {
  if (!(error instanceof ContainerdError)) return false;
  return error.code === "deadline_exceeded" || /connection reset|EOF|i\/o timeout|socket hang up/i.test(error.why);
}

function backoff(first: number, attempt: number): number {
  return Math.min(first * 2 ** (attempt - 1), LONGEST_BACKOFF_MS);
}

/** Seconds or a date. RFC 9110 section 10.2.3. */
function retryAfterMs(text: string, now: number): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return text === "" || Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
