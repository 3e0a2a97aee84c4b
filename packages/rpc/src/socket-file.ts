import { type AttachSocket, listenSocket, type SocketListener } from "./socket.ts";

/**
 * Listens on a socket file that appears whole: bound under a temporary name, given its mode, renamed over `path`, so that
 * a client never meets a path that is missing, stale, or open to more users than `mode` says. Disposing removes the
 * file unless another server has renamed its own over it.
 */
export async function listenOnPath(path: string, mode: number, attach: AttachSocket): Promise<SocketListener> {
  const fs = process.getBuiltinModule("node:fs/promises");
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const listener = await listenSocket({ path: temporary }, attach);
  try {
    await fs.chmod(temporary, mode);
    const { ino } = await fs.stat(temporary);
    await fs.rename(temporary, path);
    return {
      port: undefined,
      async [Symbol.asyncDispose]() {
        await listener[Symbol.asyncDispose]();
        // Gone already is as good as removed.
        const current = await fs.stat(path).catch(() => undefined);
        if (current?.ino === ino) await fs.rm(path, { force: true });
      },
    };
  } catch (error) {
    await listener[Symbol.asyncDispose]();
    await fs.rm(temporary, { force: true });
    throw error;
  }
}
