import { receiveBytes, sendBytes } from "./byte-stream.ts";
import type { TransferContext } from "./context.ts";
import type { ExportStream, ImportStream } from "./objects.ts";

/** Stream to stream: the bytes as they come, with which clients try out their streams. */
export async function echo(context: TransferContext, from: ImportStream, to: ExportStream): Promise<void> {
  const [source, destination] = [context.stream(from.stream), context.stream(to.stream)];
  try {
    await sendBytes(destination, receiveBytes(source));
  } finally {
    source.end();
    destination.end();
  }
}
