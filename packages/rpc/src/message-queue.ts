import { createDeferred } from "./deferred.ts";
import { readUint32 } from "./frame.ts";

/** Compression flag and length before every gRPC message. */
export const MESSAGE_PREFIX_BYTES = 5;
/** Largest message either way, in bytes; containerd's own limit. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** The prefix of an uncompressed message. */
export function messagePrefix(length: number): Uint8Array {
  return new Uint8Array([0, length >>> 24, length >>> 16, length >>> 8, length]);
}

/** Bytes that are no gRPC message, or one we do not take. */
export class MessageError extends Error {
  readonly reason: "compressed" | "too_large" | "truncated";

  constructor(reason: MessageError["reason"], message: string) {
    super(message);
    this.name = "MessageError";
    this.reason = reason;
  }
}

/** Checks a message's size before it is sent or after its prefix arrived. */
export function checkMessageSize(bytes: number): void {
  if (bytes <= MAX_MESSAGE_BYTES) return;
  throw new MessageError("too_large", `message of ${bytes} bytes, at most ${MAX_MESSAGE_BYTES}`);
}

interface Waiter {
  readonly resolve: (message: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Incoming bytes on one side, whole messages on the other. What is held is what the stream's window lets in: `credit`
 * gives bytes back to the peer when a message is taken, and, so that a message may be larger than the window, while
 * somebody waits for the one that is still arriving.
 */
export class MessageQueue {
  readonly #credit: (bytes: number) => void;
  #parts: Uint8Array[] = [];
  #partAt = 0;
  #held = 0;
  /** Of the message under way: bytes whose window was already given back. */
  #credited = 0;
  #waiters: Waiter[] = [];
  #ending: { readonly error: unknown } | "clean" | undefined;

  constructor(credit: (bytes: number) => void) {
    this.#credit = credit;
  }

  /** Bytes that arrived and have not been taken. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Takes in bytes; throws `MessageError` when they begin a message that is refused. */
  push(bytes: Uint8Array): void {
    if (this.#ending !== undefined || bytes.byteLength === 0) return;
    this.#parts.push(bytes);
    this.#held += bytes.byteLength;
    this.#serve();
  }

  /** No more bytes: what is whole can still be taken, then `take` gives undefined, or fails with `error`. */
  end(error?: unknown): void {
    if (this.#ending !== undefined) return;
    this.#ending = error === undefined ? "clean" : { error };
    this.#serve();
  }

  /** Drops what is held and fails everyone who waits. */
  abort(error: unknown): void {
    this.#ending = { error };
    this.#parts = [];
    this.#partAt = 0;
    this.#held = 0;
    this.#serve();
  }

  /** The next message; undefined after the last one. */
  take(): Promise<Uint8Array | undefined> {
    const { promise, resolve, reject } = createDeferred<Uint8Array | undefined>();
    this.#waiters.push({ resolve, reject });
    try {
      this.#serve();
    } catch (error) {
      this.#waiters.pop();
      reject(error);
    }
    return promise;
  }

  #serve(): void {
    const size = this.#messageSize();
    if (this.#waiters.length === 0) return;
    if (size !== undefined && this.#held >= MESSAGE_PREFIX_BYTES + size) {
      this.#waiters.shift()?.resolve(this.#takeMessage(size));
      this.#serve();
    } else if (this.#ending !== undefined) this.#finish(this.#ending);
    else this.#creditPartial();
  }

  #creditPartial(): void {
    const fresh = this.#held - this.#credited;
    this.#credited = this.#held;
    if (fresh > 0) this.#credit(fresh);
  }

  #finish(ending: { readonly error: unknown } | "clean"): void {
    const truncated = ending === "clean" && this.#held > 0;
    const error = truncated
      ? new MessageError("truncated", `the stream ended after ${this.#held} bytes of a message`)
      : ending !== "clean" && ending.error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) error ? waiter.reject(error) : waiter.resolve(undefined);
  }

  /** Length of the message at the head, once its prefix is here. */
  #messageSize(): number | undefined {
    if (this.#held < MESSAGE_PREFIX_BYTES) return undefined;
    const [head] = this.#parts;
    const whole = head !== undefined && head.byteLength - this.#partAt >= MESSAGE_PREFIX_BYTES;
    const prefix = whole ? head.subarray(this.#partAt, this.#partAt + MESSAGE_PREFIX_BYTES) : this.#peekPrefix();
    if (prefix[0] !== 0) {
      throw new MessageError("compressed", `message with compression flag ${prefix[0]}, though none was agreed on`);
    }
    const size = readUint32(prefix, 1);
    checkMessageSize(size);
    return size;
  }

  #peekPrefix(): Uint8Array {
    const prefix = new Uint8Array(MESSAGE_PREFIX_BYTES);
    let filled = 0;
    let from = this.#partAt;
    for (const part of this.#parts) {
      const piece = part.subarray(from, from + MESSAGE_PREFIX_BYTES - filled);
      prefix.set(piece, filled);
      filled += piece.byteLength;
      from = 0;
      if (filled === MESSAGE_PREFIX_BYTES) break;
    }
    return prefix;
  }

  /** Copies the message out, once: chunks it came in may be much larger than it, and would be kept alive. */
  #takeMessage(size: number): Uint8Array {
    this.#drop(MESSAGE_PREFIX_BYTES);
    const message = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const part = this.#parts[0];
      if (!part) break;
      const piece = part.subarray(this.#partAt, this.#partAt + size - filled);
      message.set(piece, filled);
      filled += piece.byteLength;
      this.#drop(piece.byteLength);
    }
    const owed = MESSAGE_PREFIX_BYTES + size - this.#credited;
    this.#credited = 0;
    if (owed > 0) this.#credit(owed);
    return message;
  }

  #drop(bytes: number): void {
    let left = bytes;
    this.#held -= bytes;
    while (left > 0) {
      const part = this.#parts[0];
      if (!part) return;
      const rest = part.byteLength - this.#partAt;
      if (rest > left) {
        this.#partAt += left;
        return;
      }
      left -= rest;
      this.#partAt = 0;
      this.#parts.shift();
    }
  }
}
