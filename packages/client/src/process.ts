import { hasCode } from "@ctr/api";
import type { Client } from "./client.ts";
import type { ProcessInput, ProcessIo } from "./process-io.ts";
import type { CallSettings } from "./settings.ts";
import type { Exit, KillSettings, ProcessInfo, WindowSize } from "./tasks.ts";

/** What a process object is made from. */
export interface ProcessParts {
  readonly client: Client;
  readonly containerId: string;
  /** A further process of the task; undefined for its first one. */
  readonly execId?: string | undefined;
  readonly io: ProcessIo;
  readonly pid: number;
  /** Runs after the process was disposed of: what was made for it alone goes too. */
  readonly afterDispose?: (() => Promise<void>) | undefined;
}

/**
 * A process in a container, with its streams. Disposing kills and deletes it, unless it was deleted or detached
 * before.
 */
export class ContainerProcess implements AsyncDisposable {
  readonly containerId: string;
  readonly execId: string | undefined;
  readonly #parts: ProcessParts;
  #pid: number;
  #exit: Promise<Exit> | undefined;
  #gone: Promise<void> | undefined;
  /** Whether anybody writes to the streams; before that their end would never come. */
  #streaming = false;
  readonly #end = new AbortController();

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.#pid = parts.pid;
    this.containerId = parts.containerId;
    this.execId = parts.execId;
  }

  /** In the host's pid namespace; 0 for an exec that was not started. */
  get pid(): number {
    return this.#pid;
  }

  get io(): ProcessIo {
    return this.#parts.io;
  }

  get stdin(): ProcessInput {
    return this.#parts.io.stdin;
  }

  get stdout(): AsyncIterable<Uint8Array> {
    return this.#parts.io.stdout;
  }

  get stderr(): AsyncIterable<Uint8Array> {
    return this.#parts.io.stderr;
  }

  /** Lets the process run. `watch: false` spares the waiting call of a process that will be detached. */
  async start(settings: CallSettings & { readonly watch?: boolean | undefined } = {}): Promise<void> {
    // Asked for before the process can end: its exit code is gone once somebody deletes it.
    if (settings.watch ?? true) this.#watch();
    const { pid } = await this.#client.tasks.start(this.containerId, { ...settings, ...this.#exec });
    this.#pid = pid;
    this.reattached();
  }

  /** Resolves when the process has ended. Its output may still be on the way. */
  async wait(settings: CallSettings = {}): Promise<Exit> {
    const exit = this.#watch();
    if (settings.signal === undefined && settings.timeoutMs === undefined) return exit;
    return this.#client.tasks.wait(this.containerId, { ...settings, ...this.#exec });
  }

  /** Sends a signal, given as `SIGTERM`, `term` or 15. `not_found` when the process has ended. */
  async kill(signal: string | number = "SIGTERM", settings: Omit<KillSettings, "execId"> = {}): Promise<void> {
    await this.#client.tasks.kill(this.containerId, signal, { ...settings, ...this.#exec });
  }

  async resize(size: WindowSize, settings: CallSettings = {}): Promise<void> {
    await this.#client.tasks.resizePty(this.containerId, size, { ...settings, ...this.#exec });
  }

  /** Status, pid and stdio paths as the daemon has them now. */
  async info(settings: CallSettings = {}): Promise<ProcessInfo> {
    return this.#client.tasks.get(this.containerId, { ...settings, ...this.#exec });
  }

  /**
   * Deletes an ended process once its output was read to the end, and removes its FIFOs. One that went with its shim
   * meanwhile has ended as whoever waited for it was told.
   */
  async delete(settings: CallSettings = {}): Promise<Exit> {
    if (this.#streaming) await this.io.drained();
    const exit = await this.#delete(settings).catch((error: unknown) => this.#knownExit(error));
    this.#gone ??= this.#release();
    await this.#gone;
    return exit;
  }

  /** Leaves the process running and its FIFOs for whoever attaches; disposing does nothing any more. */
  async detach(): Promise<void> {
    this.#gone ??= this.io.detach().then(() => this.#end.abort());
    await this.#gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gone ??= this.#destroy();
    await this.#gone;
  }

  get #client(): Client {
    return this.#parts.client;
  }

  get #exec(): { readonly execId?: string } {
    return this.execId === undefined ? {} : { execId: this.execId };
  }

  #watch(): Promise<Exit> {
    if (this.#exit === undefined) {
      this.#exit = this.#client.tasks.wait(this.containerId, { signal: this.#end.signal, ...this.#exec });
      // Whoever waits sees the error; nobody may be waiting.
      this.#exit.catch(() => undefined);
    }
    return this.#exit;
  }

  /** Says that the shim has its ends open, as it has for a process that was found running. */
  reattached(): void {
    this.#streaming = true;
    this.io.opened(async () => {
      try {
        await this.#client.tasks.closeIo(this.containerId, this.#exec);
      } catch (error) {
        // It has ended, and with it its stdin.
        if (!hasCode(error, "not_found", "failed_precondition")) throw error;
      }
    });
  }

  async #delete(settings: CallSettings): Promise<Exit> {
    const { tasks } = this.#client;
    return this.execId === undefined
      ? tasks.delete(this.containerId, settings)
      : tasks.deleteProcess(this.containerId, this.execId, settings);
  }

  async #knownExit(error: unknown): Promise<Exit> {
    if (this.#exit === undefined || !hasCode(error, "not_found")) throw error;
    return await this.#exit;
  }

  /** Without the caller's signal: clean-up has to happen above all when it fired. */
  async #destroy(): Promise<void> {
    try {
      if (await this.#killed()) {
        // Once it was killed nobody else writes, and what was written has to be read before the shim lets go.
        this.reattached();
        await this.io.drained();
      }
      await this.#delete({});
    } catch (error) {
      // Somebody else deleted it: the wanted state.
      if (!hasCode(error, "not_found")) throw error;
    } finally {
      await this.#release();
    }
  }

  /** False where there is no process, so that nothing comes out of it: an exec or a restored task that was not started. */
  async #killed(): Promise<boolean> {
    const { status } = await this.info();
    // A task's is there, held before its first instruction, and with it the ends of its streams: runc's shim gives up waiting
    // for those after two seconds.
    if (status === "created" && !(await this.#killUnstarted())) return false;
    const exited = this.#watch();
    if (status !== "stopped" && status !== "created") {
      if (status === "paused") await this.#client.tasks.resume(this.containerId);
      await this.kill("SIGKILL", { all: this.execId === undefined }).catch(ignoreEnded);
    }
    // Whoever waited was told why that failed; whether the process can go is for its deletion to say.
    await exited.catch(() => undefined);
    return true;
  }

  async #killUnstarted(): Promise<boolean> {
    if (this.execId !== undefined) return false;
    try {
      await this.kill("SIGKILL", { all: true });
      return true;
    } catch (error) {
      ignoreEnded(error);
      return false;
    }
  }

  async #release(): Promise<void> {
    await this.io.close();
    this.#end.abort();
    await this.#parts.afterDispose?.();
  }
}

function ignoreEnded(error: unknown): void {
  if (!hasCode(error, "not_found", "failed_precondition")) throw error;
}
