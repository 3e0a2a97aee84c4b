import { ContainerdError } from "@ctr/api";
import { createDeferred } from "@ctr/rpc";
import { type FifoReader, type FifoWriter, makeFifo, openFifoReader, openFifoWriter } from "@ctr/sys";
import type { StdioPaths } from "./tasks.ts";

/** Below it each process gets a directory of its own; containerd's own habit. */
export const DEFAULT_FIFO_DIR = "/run/containerd/fifo";
/** Mode of FIFOs and of their directory. */
const FIFO_MODE = 0o700;

/** Where a process's three streams go. */
export type IoChoice =
  /** To this program, through FIFOs below `fifoDir`. Read the output, or the process blocks when the pipe is full. */
  | { readonly kind: "pipe"; readonly stdin?: boolean; readonly fifoDir?: string | undefined }
  /** To this program, through a terminal: stderr comes with stdout. */
  | { readonly kind: "terminal"; readonly fifoDir?: string | undefined }
  /** To the streams of this program itself. */
  | { readonly kind: "inherit"; readonly stdin?: boolean; readonly fifoDir?: string | undefined }
  /** Nowhere. */
  | { readonly kind: "null" }
  /** Where the shim writes without us: `file:///path`, `binary:///path?args`. */
  | { readonly kind: "logUri"; readonly uri: string }
  /** FIFOs that are there already: attaching to a running process. */
  | { readonly kind: "fifos"; readonly paths: StdioPaths };

/** Bytes to a process. */
export interface ProcessInput {
  /** Resolves when the pipe has taken `chunk`. Throws `failed_precondition` once ended. */
  write(chunk: Uint8Array | string): Promise<void>;
  /** Lets the process see the end, once it has read what was written. Harmless when repeated. */
  end(): Promise<void>;
}

/** The streams of one process. Made before the process, ended by `close` or `detach`. */
export class ProcessIo {
  readonly paths: StdioPaths;
  readonly stdin: ProcessInput;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly #dir: string | undefined;
  readonly #outputs: readonly Output[];
  readonly #input: Input | undefined;

  constructor(
    paths: StdioPaths,
    dir: string | undefined,
    ends: readonly [(Input | undefined)?, (Output | undefined)?, (Output | undefined)?],
  ) {
    const [input, stdout, stderr] = ends;
    this.paths = paths;
    this.#dir = dir;
    this.#input = input;
    this.#outputs = [stdout, stderr].filter((output) => output !== undefined);
    this.stdin = input ?? closedInput;
    this.stdout = stdout ?? nothing;
    this.stderr = stderr ?? nothing;
  }

  /**
   * The shim has opened its ends: from now on the end of a stream is one. `closeIo` tells the shim to close its own
   * write end of stdin, without which the process never sees the end.
   */
  opened(closeIo: () => Promise<void>): void {
    for (const output of this.#outputs) output.opened();
    this.#input?.opened(closeIo);
  }

  /** Resolves when everything the process wrote was read, by the program or, where it does not read, into the void. */
  async drained(): Promise<void> {
    await Promise.all(this.#outputs.map((output) => output.drained()));
  }

  /** Lets go of the FIFOs and leaves them for whoever attaches next. */
  async detach(): Promise<void> {
    for (const output of this.#outputs) output.close();
    await this.#input?.close();
  }

  /** Lets go and removes them. */
  async close(): Promise<void> {
    await this.detach();
    if (this.#dir !== undefined)
      process.getBuiltinModule("node:fs").rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Makes the FIFOs of `choice` and opens them; nothing waits for the other side. `id` names the files. */
export function openProcessIo(choice: IoChoice, id: string): ProcessIo {
  switch (choice.kind) {
    case "null":
      return new ProcessIo(noPaths, undefined, []);
    case "logUri":
      return new ProcessIo({ ...noPaths, stdout: choice.uri, stderr: choice.uri }, undefined, []);
    case "fifos":
      return openFifos(choice.paths, undefined);
    case "terminal":
      return makeFifos({ stdin: true, stderr: false, terminal: true }, id, choice.fifoDir);
    case "pipe":
      return makeFifos({ stdin: choice.stdin ?? false, stderr: true, terminal: false }, id, choice.fifoDir);
    case "inherit":
      return inherited(makeFifos({ stdin: choice.stdin ?? false, stderr: true, terminal: false }, id, choice.fifoDir));
    default: {
      const never: never = choice;
      throw new ContainerdError({ code: "internal", what: "cannot open process IO", why: `unknown ${String(never)}` });
    }
  }
}

const noPaths: StdioPaths = { stdin: "", stdout: "", stderr: "", terminal: false };

interface Wanted {
  readonly stdin: boolean;
  readonly stderr: boolean;
  readonly terminal: boolean;
}

function makeFifos(wanted: Wanted, id: string, fifoDir: string = DEFAULT_FIFO_DIR): ProcessIo {
  const { rmSync } = process.getBuiltinModule("node:fs");
  const dir = makeFifoDir(fifoDir);
  const path = (stream: string, want: boolean) => (want ? `${dir}/${id}-${stream}` : "");
  const paths: StdioPaths = {
    stdin: path("stdin", wanted.stdin),
    stdout: path("stdout", true),
    stderr: path("stderr", wanted.stderr),
    terminal: wanted.terminal,
  };
  try {
    for (const fifo of [paths.stdin, paths.stdout, paths.stderr]) if (fifo !== "") makeFifo(fifo, FIFO_MODE);
    return openFifos(paths, dir);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

/** A directory of one process's own. */
function makeFifoDir(parent: string): string {
  checkFifoDir(parent);
  return process.getBuiltinModule("node:fs").mkdtempSync(`${parent}/`);
}

/** Makes the directory that FIFOs go to, if need be. `permission_denied` for a user who may not make any there. */
export function checkFifoDir(path: string = DEFAULT_FIFO_DIR): void {
  const { accessSync, constants, mkdirSync } = process.getBuiltinModule("node:fs");
  try {
    mkdirSync(path, { recursive: true, mode: FIFO_MODE });
    accessSync(path, constants.W_OK);
  } catch (cause) {
    const denied = cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM");
    if (!denied) throw cause;
    throw new ContainerdError({
      code: "permission_denied",
      what: "cannot make the FIFOs of the process",
      where: { directory: path },
      why: `running containers needs root, this is uid ${process.geteuid?.()}`,
      fix: "run the command with sudo",
      cause,
    });
  }
}

function openFifos(paths: StdioPaths, dir: string | undefined): ProcessIo {
  const input = isFifo(paths.stdin) ? new Input(openFifoWriter(paths.stdin), paths.terminal) : undefined;
  const stdout = isFifo(paths.stdout) ? new Output(openFifoReader(paths.stdout)) : undefined;
  const hasStderr = !paths.terminal && paths.stderr !== paths.stdout && isFifo(paths.stderr);
  const stderr = hasStderr ? new Output(openFifoReader(paths.stderr)) : undefined;
  return new ProcessIo(paths, dir, [input, stdout, stderr]);
}

/** A path that is gone, a file or a log URI is no stream of ours. */
function isFifo(path: string): boolean {
  const { statSync } = process.getBuiltinModule("node:fs");
  return path.startsWith("/") && (statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false);
}

/** Copies between the process and this program until the process's streams end. */
function inherited(io: ProcessIo): ProcessIo {
  void copyOut(io.stdout, process.stdout);
  void copyOut(io.stderr, process.stderr);
  if (io.paths.stdin !== "") void copyIn(io.stdin);
  return io;
}

async function copyOut(from: AsyncIterable<Uint8Array>, to: NodeJS.WriteStream): Promise<void> {
  for await (const chunk of from) {
    if (!to.write(chunk)) await new Promise((resolve) => to.once("drain", resolve));
  }
}

async function copyIn(to: ProcessInput): Promise<void> {
  try {
    for await (const chunk of process.stdin) await to.write(chunk);
    await to.end();
  } catch {
    // The process has gone; what is left of our stdin stays unread.
  }
}

const closedInput: ProcessInput = {
  async write() {
    throw closed();
  },
  async end() {},
};

const nothing: AsyncIterable<Uint8Array> = { async *[Symbol.asyncIterator]() {} };

function closed(): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot write to process",
    why: "its stdin is closed",
  });
}

/** stdin. Closing waits for the shim to have opened its end, else what was written would be lost. */
class Input implements ProcessInput {
  readonly #writer: FifoWriter;
  readonly #terminal: boolean;
  readonly #opened = createDeferred<() => Promise<void>>();
  readonly #closed = createDeferred<never>();
  #ended: Promise<void> | undefined;

  constructor(writer: FifoWriter, terminal: boolean) {
    this.#writer = writer;
    this.#terminal = terminal;
    // Only writers under way care that it was closed under them.
    this.#closed.promise.catch(() => undefined);
  }

  opened(closeIo: () => Promise<void>): void {
    this.#opened.resolve(closeIo);
  }

  async write(chunk: Uint8Array | string): Promise<void> {
    if (this.#ended !== undefined) throw closed();
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    await Promise.race([this.#writer.write(bytes), this.#closed.promise]);
  }

  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /** Closes without telling the shim: another client may go on writing. */
  async close(): Promise<void> {
    this.#ended ??= Promise.resolve();
    this.#closed.reject(closed());
    await this.#writer.close();
  }

  async #end(): Promise<void> {
    const closeIo = await this.#opened.promise;
    await this.#writer.close();
    // A shim that loses the stdin of a terminal shuts the terminal down.
    if (!this.#terminal) await closeIo();
  }
}

/** stdout or stderr: read by the program, else discarded when the process is deleted. */
class Output implements AsyncIterable<Uint8Array> {
  readonly #reader: FifoReader;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #ended = createDeferred<void>();
  #claimed = false;

  constructor(reader: FifoReader) {
    this.#reader = reader;
    this.#chunks = reader.chunks[Symbol.asyncIterator]();
  }

  opened(): void {
    this.#reader.release();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#claimed = true;
    try {
      for (let next = await this.#next(); next !== undefined; next = await this.#next()) yield next;
    } finally {
      // Left early: what still comes is thrown away, for an unread pipe would block the process.
      void this.#discard();
    }
  }

  drained(): Promise<void> {
    if (!this.#claimed) void this.#discard();
    return this.#ended.promise;
  }

  close(): void {
    this.#reader.close();
    this.#ended.resolve();
  }

  async #discard(): Promise<void> {
    this.#claimed = true;
    while ((await this.#next()) !== undefined);
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#chunks.next();
      if (!done) return value;
    } catch (error) {
      this.#ended.reject(error);
      throw error;
    }
    this.#ended.resolve();
    return undefined;
  }
}
