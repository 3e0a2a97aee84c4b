/** How long a connection may hold bytes back without any progress before the peer is pinged. */
export const DEFAULT_WATCHDOG_MS = 30_000;

/** What the watchdog sees of a connection, and what it may do to it. */
export interface Watched {
  /** Bytes wait to be sent and the peer has not made room for them. */
  blocked(): boolean;
  /** A counter that moves whenever bytes leave. */
  progress(): number;
  ping(): void;
  /** The peer is gone in all but name. */
  dead(silentMs: number): void;
}

/** grpc-go's server ends a connection that pings more often than this without any response in between. */
const MIN_PING_INTERVAL_MS = 5 * 60_000;

/**
 * Ends a connection whose peer stopped taking bytes. While something waits to be sent and nothing moves for `limitMs`
 * the peer is pinged; one that does not answer within another `limitMs` is dead. One that answers is merely slow, and
 * may be as slow as it likes. The timer runs only while something waits.
 */
export class StallWatchdog {
  readonly #limitMs: number;
  readonly #watched: Watched;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #progressSeen = 0;
  #heard = 0;
  #heardSeen = 0;
  #awaitingPong = false;
  #lastPingAt = Number.NEGATIVE_INFINITY;
  #answeredSincePing = true;
  #stopped = false;

  constructor(limitMs: number, watched: Watched) {
    this.#limitMs = limitMs;
    this.#watched = watched;
  }

  /** Call after every flush. */
  check(): void {
    if (this.#timer || this.#stopped || !this.#watched.blocked()) return;
    this.#remember();
    this.#arm();
  }

  /** Anything at all came from the peer. */
  heard(): void {
    this.#heard++;
  }

  /** The peer sent DATA or HEADERS, which earns another ping. */
  answered(): void {
    this.#answeredSincePing = true;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = setTimeout(() => this.#expired(), this.#limitMs);
    // The socket keeps the process alive for as long as the connection is wanted; the timer must not.
    this.#timer.unref();
  }

  #expired(): void {
    this.#timer = undefined;
    if (!this.#watched.blocked()) {
      this.#awaitingPong = false;
      return;
    }
    if (this.#moved()) this.#awaitingPong = false;
    else if (this.#awaitingPong) this.#watched.dead(this.#limitMs * 2);
    else this.#ping();
    this.#remember();
    if (!this.#stopped) this.#arm();
  }

  #ping(): void {
    const now = performance.now();
    if (!this.#answeredSincePing && now - this.#lastPingAt < MIN_PING_INTERVAL_MS) return;
    this.#lastPingAt = now;
    this.#answeredSincePing = false;
    this.#awaitingPong = true;
    this.#watched.ping();
  }

  #moved(): boolean {
    return this.#progressSeen !== this.#watched.progress() || this.#heardSeen !== this.#heard;
  }

  #remember(): void {
    this.#progressSeen = this.#watched.progress();
    this.#heardSeen = this.#heard;
  }
}
