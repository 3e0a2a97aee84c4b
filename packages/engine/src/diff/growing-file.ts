/** How far a file that is being written has come. */
export interface FileGrowth {
  /** Bytes that are there. */
  readonly bytes: number;
  /** No more come. */
  readonly complete: boolean;
}

const READ_BYTES = 256 * 1024;

/**
 * Reads a file while it is written, as a layer is unpacked while it is fetched: only bytes that `grow` told of are
 * read, and the end is where `grow` says that it is complete. Ended by disposing.
 */
export class GrowingFile implements Disposable {
  readonly #fd: number;
  #growth: FileGrowth;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** Without `growth` the file is complete as it is. */
  constructor(path: string, growth?: FileGrowth) {
    const { fstatSync, openSync } = process.getBuiltinModule("node:fs");
    this.#fd = openSync(path, "r");
    this.#growth = growth ?? { bytes: fstatSync(this.#fd).size, complete: true };
  }

  /** Tells how many bytes there are now. */
  grow(growth: FileGrowth): void {
    this.#growth = growth;
    this.#wake?.();
  }

  /** Ends the reading with an error: whoever writes the file gave up, or nobody wants it any more. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Buffer, void, undefined> {
    const { readSync } = process.getBuiltinModule("node:fs");
    for (let offset = 0; ; ) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const ready = Math.min(this.#growth.bytes - offset, READ_BYTES);
      if (ready > 0) {
        // Fresh memory each time: the codec may still hold the last piece.
        const piece = Buffer.allocUnsafeSlow(ready);
        const length = readSync(this.#fd, piece, 0, ready, offset);
        if (length === 0) throw new Error(`file ended at byte ${offset}, expected ${this.#growth.bytes}`);
        offset += length;
        yield piece.subarray(0, length);
      } else if (this.#growth.complete) return;
      else await this.#more();
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.fail(new Error("the file was closed"));
    process.getBuiltinModule("node:fs").closeSync(this.#fd);
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
