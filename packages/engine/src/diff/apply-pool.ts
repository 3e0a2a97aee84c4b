import { ContainerdError } from "@ctr/api";
import type { AppliedLayer } from "./apply-layer.ts";
import { type ApplyJob, errorFromPlain, type FromWorker, type ToWorker } from "./apply-message.ts";
import type { FileGrowth } from "./growing-file.ts";

export interface ApplyPoolOptions {
  /** Workers at most. */
  readonly cores: number;
}

export interface PoolJobOptions {
  readonly signal: AbortSignal;
  /** Tells of every stretch an ingest's file grows by; ends with `complete`, or throws when the ingest fails. */
  readonly growth?: AsyncIterable<FileGrowth> | undefined;
}

/** Worker threads that unpack layers, started when needed and kept for the next layer. Ended by disposing. */
export interface ApplyPool extends AsyncDisposable {
  /** Starts workers for so many layers that will come soon: they load their code meanwhile. */
  expect(layers: number): void;
  /** Unpacks a layer as soon as a worker is free. After an abort it settles when the worker has let go of the tree. */
  apply(job: ApplyJob, options: PoolJobOptions): Promise<AppliedLayer>;
  /** Waits until everything written to the filesystem of `dir` is on disk, without blocking this thread. */
  sync(dir: string): Promise<void>;
}

export function openApplyPool(options: ApplyPoolOptions): ApplyPool {
  return new WorkerPool(Math.max(options.cores, 1));
}

class WorkerPool implements ApplyPool {
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];
  #workers = 0;
  #disposed = false;

  constructor(size: number) {
    this.#size = size;
  }

  async apply(job: ApplyJob, options: PoolJobOptions): Promise<AppliedLayer> {
    const answer = await this.#run({ kind: "apply", job }, options);
    if (answer.kind === "applied") return answer.layer;
    throw new ContainerdError({
      code: "internal",
      what: "cannot unpack layer",
      why: `a worker answered ${answer.kind}`,
    });
  }

  async sync(dir: string): Promise<void> {
    await this.#run({ kind: "sync", dir }, { signal: new AbortController().signal });
  }

  expect(layers: number): void {
    while (this.#workers < Math.min(layers, this.#size)) this.#idle.push(this.#start());
  }

  async #run(work: ToWorker, options: PoolJobOptions): Promise<Exclude<FromWorker, { readonly kind: "failed" }>> {
    options.signal.throwIfAborted();
    const worker = await this.#take();
    let crashed = false;
    try {
      options.signal.throwIfAborted();
      return await runJob(worker, work, options, () => {
        crashed = true;
      });
    } finally {
      this.#give(worker, crashed);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const worker of this.#idle.splice(0)) worker.terminate();
  }

  #take(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return Promise.resolve(idle);
    if (this.#workers < this.#size) return Promise.resolve(this.#start());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #start(): Worker {
    this.#workers += 1;
    const worker = new Worker(workerUrl(import.meta.url));
    // A worker waiting for its next layer keeps no command alive.
    worker.unref();
    return worker;
  }

  #give(worker: Worker, crashed: boolean): void {
    if (crashed || this.#disposed) {
      worker.terminate();
      this.#workers -= 1;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) next(crashed || this.#disposed ? this.#start() : worker);
    else if (!crashed && !this.#disposed) this.#idle.push(worker);
  }
}

/** In the executable an entry point keeps its path below `packages`, where the build has its root. */
function workerUrl(here: string): URL {
  const inExecutable = here.includes("/$bunfs/");
  return new URL(inExecutable ? "./engine/src/diff/apply-worker.js" : "./apply-worker.ts", here);
}

/** Posts a job and what is heard of its file, and waits for the answer. */
async function runJob(
  worker: Worker,
  work: ToWorker,
  options: PoolJobOptions,
  onCrash: () => void,
): Promise<Exclude<FromWorker, { readonly kind: "failed" }>> {
  const post = (message: ToWorker) => worker.postMessage(message);
  const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
  // Only `apply-worker.ts` answers here, and only this.
  const onMessage = (event: MessageEvent) => resolve(event.data as FromWorker);
  const onError = (event: ErrorEvent) => {
    onCrash();
    reject(new ContainerdError({ code: "internal", what: "cannot unpack layer", why: event.message }));
  };
  const onAbort = () => post({ kind: "cancel" });
  worker.addEventListener("message", onMessage);
  worker.addEventListener("error", onError);
  options.signal.addEventListener("abort", onAbort, { once: true });
  worker.ref();
  try {
    post(work);
    const source = options.growth === undefined ? undefined : passGrowth(options.growth, post);
    const answer = await promise;
    options.signal.throwIfAborted();
    await throwFirst(source, answer);
    if (answer.kind === "failed") throw errorFromPlain(answer.error);
    return answer;
  } finally {
    worker.unref();
    worker.removeEventListener("message", onMessage);
    worker.removeEventListener("error", onError);
    options.signal.removeEventListener("abort", onAbort);
  }
}

/** Hands the news on; when they end in an error the worker is stopped, and the error is what came back. */
async function passGrowth(growth: AsyncIterable<FileGrowth>, post: (message: ToWorker) => void): Promise<unknown> {
  try {
    for await (const news of growth) {
      post({ kind: "growth", growth: news });
      if (news.complete) return undefined;
    }
    throw new ContainerdError({
      code: "data_loss",
      what: "cannot unpack layer",
      why: "the blob's file is not complete",
    });
  } catch (error) {
    post({ kind: "cancel" });
    return error;
  }
}

/** The error of the fetch is the reason for the worker's; a worker that failed first does not wait for the fetch. */
async function throwFirst(source: Promise<unknown> | undefined, answer: FromWorker): Promise<void> {
  if (source === undefined) return;
  const error = await (answer.kind === "failed" ? Promise.race([source, Promise.resolve(undefined)]) : source);
  if (error !== undefined) throw error;
}
