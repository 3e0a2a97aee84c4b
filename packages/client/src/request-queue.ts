/**
 * Requests of a stream that are written as they come up rather than pulled from a source. Unbounded: whoever pushes
 * waits for answers, which bounds it.
 */
export class RequestQueue<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(request: T): void {
    if (this.#ended) return;
    this.#waiting.push(request);
    this.#wake?.();
  }

  /** Half-closes the stream once what was pushed has gone out. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (true) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
