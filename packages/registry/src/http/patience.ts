import { ContainerdError } from "@ctr/api";
import { parseDurationMs } from "../duration.ts";
import type { Environment } from "./proxy.ts";

/** Longest silence of a registry, in milliseconds, where `CTR_REGISTRY_TIMEOUT` names no other. */
const IDLE_TIMEOUT_MS = 60_000;

/** Times longer for the answer to an upload: a registry may first move what it got to where it is kept. */
export const UPLOAD_PATIENCE = 5;

/** `CTR_REGISTRY_TIMEOUT`, a Go duration, in milliseconds. Throws `invalid_argument` when it is none. */
export function idleTimeoutMs(env: Environment): number {
  const text = env["CTR_REGISTRY_TIMEOUT"] ?? "";
  if (text === "") return IDLE_TIMEOUT_MS;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot use CTR_REGISTRY_TIMEOUT",
    why: `${JSON.stringify(text)} is not a duration such as 60s`,
  });
}

/** A registry that keeps a connection open and says nothing. */
export function silentFor(timeoutMs: number): ContainerdError {
  return new ContainerdError({
    code: "deadline_exceeded",
    what: "cannot read from the registry",
    why: `it sent nothing for ${timeoutMs / 1000} s`,
    fix: "a slow registry can be given longer with CTR_REGISTRY_TIMEOUT, such as 5m",
  });
}

/** Calls `expired` once `restart` was not called for `timeoutMs`; `stop` ends it for good. */
export class SilenceTimer {
  readonly #timeoutMs: number;
  readonly #expired: (error: ContainerdError) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(timeoutMs: number, expired: (error: ContainerdError) => void) {
    this.#timeoutMs = timeoutMs;
    this.#expired = expired;
    this.restart();
  }

  restart(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#expired(silentFor(this.#timeoutMs)), this.#timeoutMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
