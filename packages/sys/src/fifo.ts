import { callLibc, cString, hasLibc } from "./libc.ts";

/** What reads a FIFO: never waits for a writer to open, never blocks a pool thread. */
export interface FifoReader {
  /** Chunks until the last write end is closed, or until `close`. May be read once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /**
   * Lets go of the write end that keeps the reader from seeing an end before the first writer came. Call it when the
   * writer is known to have opened.
   */
  release(): void;
  /** Stops reading and closes. Harmless when repeated. */
  close(): void;
}

/** What writes a FIFO, also before anybody reads it. */
export interface FifoWriter {
  /** Resolves when the pipe has taken all of `chunk`. */
  write(chunk: Uint8Array): Promise<void>;
  /** Closes. Bytes that nobody has opened the FIFO to read are lost then. Harmless when repeated. */
  close(): Promise<void>;
}

/** Makes a FIFO with exactly `mode`, whatever the umask. Throws an error with `code: "EEXIST"` when the path is taken. */
export function makeFifo(path: string, mode: number): void {
  if (hasLibc()) {
    callLibc("mkfifo", [cString(path), mode], path);
  } else {
    const { execFileSync } = process.getBuiltinModule("node:child_process");
    execFileSync("mkfifo", ["--", path], { stdio: ["ignore", "ignore", "pipe"] });
  }
  process.getBuiltinModule("node:fs").chmodSync(path, mode);
}

/**
 * Opens a FIFO for reading without waiting for its writer. A second descriptor holds a write end until `release`: a
 * non-blocking reader sees an end as long as there is none.
 */
export function openFifoReader(path: string): FifoReader {
  const fs = process.getBuiltinModule("node:fs");
  const { O_RDONLY, O_RDWR, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(path, O_RDONLY | O_NONBLOCK);
  let hold: number | undefined = openOrClose(path, O_RDWR | O_NONBLOCK, fd);
  const release = () => {
    if (hold !== undefined) fs.closeSync(hold);
    hold = undefined;
  };
  const source = typeof Bun === "undefined" ? openNodeSource(fd) : openBunSource(fd);
  const close = () => {
    release();
    source.close();
  };
  return { chunks: source.chunks, release, close };
}

/** Opens a FIFO for writing. It is opened for both, so that neither opening nor a missing reader is an error. */
export function openFifoWriter(path: string): FifoWriter {
  const { openSync, constants } = process.getBuiltinModule("node:fs");
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return typeof Bun === "undefined" ? openNodeSink(fd) : openBunSink(fd);
}

function openOrClose(path: string, flags: number, other: number): number {
  const { openSync, closeSync } = process.getBuiltinModule("node:fs");
  try {
    return openSync(path, flags);
  } catch (error) {
    closeSync(other);
    throw error;
  }
}

interface Source {
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): void;
}

/** Bun polls a descriptor behind `Bun.file` and leaves closing it to us. */
function openBunSource(fd: number): Source {
  const { closeSync } = process.getBuiltinModule("node:fs");
  // Made by whoever reads: the stream takes bytes out of the pipe ahead of its reader, and those of a FIFO that is let
  // go unread belong to the next one who opens it.
  const openStream = () => Bun.file(fd).stream().getReader();
  let reader: ReturnType<typeof openStream> | undefined;
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    // The reader may have met an error of its own; the descriptor is what has to go.
    reader?.cancel().catch(() => undefined);
    closeSync(fd);
  };
  async function* chunks() {
    try {
      if (open) reader = openStream();
      while (open && reader) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      close();
    }
  }
  return { chunks: chunks(), close };
}

/** Node polls a FIFO as a pipe handle, which owns the descriptor. */
function openNodeSource(fd: number): Source {
  const { Socket } = process.getBuiltinModule("node:net");
  const socket = new Socket({ fd, readable: true, writable: false });
  async function* chunks(): AsyncIterable<Uint8Array> {
    try {
      for await (const chunk of socket) yield chunk;
    } catch (error) {
      // `close` ends the loop by destroying the socket under it, which is an end like any other.
      if (!socket.destroyed || (error instanceof Error && isReadFailure(error))) throw error;
    } finally {
      socket.destroy();
    }
  }
  return { chunks: chunks(), close: () => void socket.destroy() };
}

function isReadFailure(error: Error): boolean {
  return "syscall" in error && error.syscall === "read";
}

function openBunSink(fd: number): FifoWriter {
  const { closeSync } = process.getBuiltinModule("node:fs");
  const sink = Bun.file(fd).writer();
  let open = true;
  return {
    async write(chunk) {
      sink.write(chunk);
      await sink.flush();
    },
    async close() {
      if (!open) return;
      open = false;
      // The sink has a descriptor of its own: the reader sees no end while that one is open.
      sink.end();
      closeSync(fd);
    },
  };
}

function openNodeSink(fd: number): FifoWriter {
  const { Socket } = process.getBuiltinModule("node:net");
  const socket = new Socket({ fd, readable: false, writable: true });
  return {
    write: (chunk) =>
      new Promise((resolve, reject) => socket.write(chunk, (error) => (error ? reject(error) : resolve()))),
    close: () =>
      new Promise((resolve) => {
        if (socket.closed) return resolve();
        socket.once("close", () => resolve());
        socket.destroy();
      }),
  };
}
