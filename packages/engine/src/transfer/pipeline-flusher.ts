import type { EngineDiffer } from "../diff/differ.ts";

/** Between two flushes, in milliseconds: a small image is over before the first. */
const PAUSE_MS = 400;

/**
 * Brings what is unpacked to disk while more is unpacked, so that the sync before a commit has little left to wait for,
 * and the kernel need not slow the writers down. Begun by making one, ended by disposing.
 */
export class Flusher implements AsyncDisposable {
  readonly #differ: EngineDiffer;
  readonly #dir: string;
  readonly #over = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `dir` is on the filesystem to flush. */
  constructor(differ: EngineDiffer, dir: string) {
    this.#differ = differ;
    this.#dir = dir;
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#flush();
    }, PAUSE_MS);
  }

  async #flush(): Promise<void> {
    const { signal } = this.#over;
    // What the disk refuses here it refuses the sync that counts, too.
    await this.#differ.sync(this.#dir, { signal }).catch(() => undefined);
    if (!signal.aborted) this.#schedule();
  }
}
