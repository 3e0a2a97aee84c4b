import type { TransferProgress } from "@ctr/client";
import type { Output } from "../streams.ts";
import { openScreen } from "./screen.ts";
import { ProgressTree } from "./tree.ts";
import { formatTreeFrame } from "./tree-frame.ts";

/** A display of what the daemon transfers. */
export interface TransferDisplay extends AsyncDisposable {
  /** Takes the daemon's messages; what it returns is to be awaited before the next. */
  readonly on: (progress: TransferProgress) => Promise<void>;
}

/**
 * Opens a display that draws a frame for each message that is about a part: over the last one on a terminal; anywhere
 * else only the last one stays, which disposing writes.
 */
export function openTransferProgress(stdout: Output): TransferDisplay {
  const started = performance.now();
  const tree = new ProgressTree();
  const screen = openScreen(stdout);
  let hasFrame = false;
  const draw = () => screen.draw(formatTreeFrame(tree, (performance.now() - started) / 1000));
  return {
    async on(progress) {
      if (!tree.take(progress)) return;
      hasFrame = true;
      if (screen.redraws) await draw();
    },
    async [Symbol.asyncDispose]() {
      if (hasFrame && !screen.redraws) await draw();
    },
  };
}
