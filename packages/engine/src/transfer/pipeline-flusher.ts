import type { GroupSync } from "../store/group-sync.ts";

/** Between two flushes, in milliseconds: a small image is over before the first. */
const PAUSE_MS = 400;

/**
 * Brings what is unpacked to disk while more is unpacked, so that the sync before a commit has little left to wait for,
 * and the kernel need not slow the writers down. Begun by making one, ended by disposing.
 */
export class Flusher implements AsyncDisposable {
  readonly #group: GroupSync;
  readonly #dir: string;
  readonly #over = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `dir` is on the filesystem to flush. */
  constructor(group: GroupSync, dir: string) {
    this.#group = group;
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
    // What the disk refuses here the group tells those who count on it.
    await this.#group.wait(this.#dir).catch(() => undefined);
    if (!this.#over.signal.aborted) this.#schedule();
  }
}
