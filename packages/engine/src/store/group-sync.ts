import { statSync } from "node:fs";
import { type SharedWork, shareWork } from "./shared-sync.ts";

/**
 * Brings what many write at once to disk together. Whoever comes alone waits for his own files only; those who come while
 * another waits have one sync of the filesystem, which is one flush of the disk for any number of files and names.
 */
export class GroupSync {
  readonly #syncFilesystem: SharedWork;
  /** One directory of each filesystem, by its device. */
  readonly #places = new Map<number, string>();
  #running = 0;
  /** The kernel tells a failure once, and whose bytes it was nobody knows. */
  #fault: { readonly error: unknown } | undefined;

  /** `syncFilesystem` waits until all of a directory's filesystem is on disk, and holds up no other work meanwhile. */
  constructor(syncFilesystem: SharedWork) {
    this.#syncFilesystem = shareWork((dir) => this.#keepFault(syncFilesystem(dir)));
  }

  /**
   * Waits until what the caller wrote to the filesystem of `dir` is on disk. `alone` does that for a caller by himself. After
   * a sync of the filesystem has failed all fail.
   */
  async wait(dir: string, alone?: () => Promise<void>): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault.error;
    const work = alone !== undefined && this.#running === 0 ? alone() : this.#syncFilesystem(this.#placeOf(dir));
    this.#running += 1;
    try {
      await work;
    } finally {
      this.#running -= 1;
    }
  }

  async #keepFault(sync: Promise<void>): Promise<void> {
    try {
      await sync;
    } catch (error) {
      this.#fault ??= { error };
      throw error;
    }
  }

  #placeOf(dir: string): string {
    const { dev } = statSync(dir);
    const place = this.#places.get(dev) ?? dir;
    this.#places.set(dev, place);
    return place;
  }
}
