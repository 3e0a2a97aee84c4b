/** Where a command writes. `write` settles when the kernel has taken the bytes, so that a slow reader slows the writer. */
export interface Output {
  readonly fd: number;
  write(chunk: string | Uint8Array): Promise<void>;
  /** Asked only by what draws on terminals: it costs a module. */
  isTerminal(): boolean;
}

/** Where a command reads. */
export interface Input {
  readonly fd: number;
  chunks(): AsyncIterable<Uint8Array>;
  isTerminal(): boolean;
}

/** The reader of our output went away (`ctr … | head`): no failure of ours, and nothing more to do. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

/** Standard output or standard error. */
export function openOutput(fd: 1 | 2): Output {
  return {
    fd,
    async write(chunk) {
      try {
        // Named here, as making the one that a run never writes to costs it 0.03 ms.
        await Bun.write(fd === 1 ? Bun.stdout : Bun.stderr, chunk);
      } catch (error) {
        throw writeError(error, fd);
      }
    },
    isTerminal: () => isTerminal(fd),
  };
}

/** Standard input. */
export function openInput(): Input {
  return { fd: 0, chunks: () => Bun.stdin.stream(), isTerminal: () => isTerminal(0) };
}

function isTerminal(fd: number): boolean {
  return process.getBuiltinModule("node:tty").isatty(fd);
}

function writeError(error: unknown, fd: number): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EPIPE") return new ReaderGone();
  // A plain error: this file is on the path of every command, and must not bring the wire types along.
  const why = code === "ENOSPC" ? "no space left on device" : code;
  return new Error(`write /dev/std${fd === 1 ? "out" : "err"}: ${why}`, { cause: error });
}
