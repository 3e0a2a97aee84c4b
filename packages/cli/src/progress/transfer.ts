import type { TransferProgress } from "@ctr/client";
import type { Output } from "../streams.ts";
import { openScreen } from "./screen.ts";
import { ProgressTree } from "./tree.ts";
import { formatTreeFrame } from "./tree-frame.ts";

/**
 * A display of what the daemon transfers: takes its messages and draws a frame for each that is about a part. Frames
 * replace one another on a terminal and follow one another anywhere else.
 */
export function openTransferProgress(stdout: Output): (progress: TransferProgress) => Promise<void> {
  const started = performance.now();
  const tree = new ProgressTree();
  const screen = openScreen(stdout);
  return async (progress) => {
    if (tree.take(progress)) await screen.draw(formatTreeFrame(tree, (performance.now() - started) / 1000));
  };
}
