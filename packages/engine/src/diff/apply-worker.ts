// The entry point of a worker thread: unpacks one layer at a time, and tells when it is done. The one module here that
// does work when it is loaded, because that is what a worker's entry is.
import { syncFilesystem } from "@ctr/sys";
import { applyLayer } from "./apply-layer.ts";
import { type ApplyJob, errorToPlain, type FromWorker, type ToWorker } from "./apply-message.ts";
import { GrowingFile } from "./growing-file.ts";

/** How much more often than usual code runs before it is compiled: a small layer is over by the time the compiler is done. */
const COMPILE_LATE = 30;
/** After so many members what is hot in every layer has been compiled once. */
const WARM_ENTRIES = 2500;
/**
 * From then on: to compile it again, and better, takes up to a tenth of the processor time of a layer of small files, which
 * waits for the kernel most of all. What other layers need besides is compiled all the same, later.
 */
const COMPILE_HARDLY = 300;

Bun.unsafe.setJITPolicy(COMPILE_LATE);

function onEntries(entries: number): void {
  if (entries >= WARM_ENTRIES) Bun.unsafe.setJITPolicy(COMPILE_HARDLY);
}

let current: { readonly file: GrowingFile; readonly stop: AbortController } | undefined;

async function apply(job: ApplyJob): Promise<FromWorker> {
  try {
    using file = new GrowingFile(job.path, job.growth);
    const stop = new AbortController();
    current = { file, stop };
    const { target, ...options } = job;
    const layer = await applyLayer(file.read(), target, { ...options, signal: stop.signal, onEntries });
    return { kind: "applied", layer };
  } catch (error) {
    return { kind: "failed", error: errorToPlain(error) };
  } finally {
    current = undefined;
  }
}

function sync(dir: string): FromWorker {
  try {
    syncFilesystem(dir);
    return { kind: "synced" };
  } catch (error) {
    return { kind: "failed", error: errorToPlain(error) };
  }
}

globalThis.addEventListener("message", (event) => {
  // Only the pool posts to this worker, and only this.
  const message = (event as MessageEvent<ToWorker>).data;
  switch (message.kind) {
    case "apply":
      void apply(message.job).then((answer) => postMessage(answer));
      break;
    case "sync":
      postMessage(sync(message.dir));
      break;
    case "growth":
      current?.file.grow(message.growth);
      break;
    case "cancel": {
      const error = new Error("context canceled");
      current?.stop.abort(error);
      current?.file.fail(error);
    }
  }
});
