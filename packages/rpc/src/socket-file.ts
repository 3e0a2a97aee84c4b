import { type AttachSocket, listenSocket, type SocketListener } from "./socket.ts";

/**
 * Listens on a socket file that appears whole: bound under a temporary name, given its mode, renamed over `path`, so that
 * a client never meets a path that is missing, stale, or open to more users than `mode` says. Disposing removes the
 * file unless another server has renamed its own over it.
 */
export async function listenOnPath(path: string, mode: number, attach: AttachSocket): Promise<SocketListener> {
  // Without waiting: the first asynchronous call starts a thread, and goes once round the event loop.
  const fs = process.getBuiltinModule("node:fs");
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const listener = await listenSocket({ path: temporary }, attach);
  try {
    fs.chmodSync(temporary, mode);
    const { ino } = fs.statSync(temporary);
    fs.renameSync(temporary, path);
    return {
      port: undefined,
      async [Symbol.asyncDispose]() {
        await listener[Symbol.asyncDispose]();
        // Gone already is as good as removed.
        const current = fs.statSync(path, { throwIfNoEntry: false });
        if (current?.ino === ino) fs.rmSync(path, { force: true });
      },
    };
  } catch (error) {
    await listener[Symbol.asyncDispose]();
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}
