import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";

/** Does something for a path, once for all who asked before it began. */
export type SharedWork = (path: string) => Promise<void>;

/**
 * Shares `work` between those who ask for it while it runs: they get the next one together, because what they did is
 * newer, perhaps, than the beginning of the one that runs.
 */
export function shareWork(work: SharedWork): SharedWork {
  const waiting = new Map<string, { readonly running: Promise<void>; next?: Promise<void> }>();
  const begin = (path: string): Promise<void> => {
    const running = work(path);
    const entry: { readonly running: Promise<void>; next?: Promise<void> } = { running };
    waiting.set(path, entry);
    const forget = () => {
      // Whoever waits for the next one begins it just now.
      if (entry.next === undefined) waiting.delete(path);
    };
    running.then(forget, forget);
    return running;
  };
  return (path) => {
    const now = waiting.get(path);
    if (now === undefined) return begin(path);
    now.next ??= now.running.catch(() => undefined).then(() => begin(path));
    return now.next;
  };
}

/** Waits until the bytes of a file, or the names in a directory, are on disk. */
export const syncPath: SharedWork = shareWork(async (path) => {
  await using file = await open(path);
  await file.sync();
});

/** Makes a directory and what is missing above it, and waits until the names of all that it made are on disk. */
export async function makeSyncedDirectory(path: string): Promise<void> {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let parent = dirname(path); parent.length >= dirname(first).length; parent = dirname(parent)) {
    await syncPath(parent);
    if (parent === "/") return;
  }
}
