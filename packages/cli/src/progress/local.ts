import type { TransferEvent } from "@ctr/registry";
import type { Output } from "../streams.ts";
import { formatFrame, type ProgressLine } from "./frame.ts";
import { openScreen } from "./screen.ts";

/** Milliseconds between two frames on a terminal. */
const FRAME_MS = 100;

/** A display of a pull or push by this program. */
export interface LocalProgress extends AsyncDisposable {
  on(event: TransferEvent): void;
  /** Shows the last frame, in which all that was begun is done. */
  finish(): Promise<void>;
}

export interface LocalProgressOptions {
  readonly stdout: Output;
  /** First line: what is resolved; left out for a push. */
  readonly reference?: string;
  /** What a blob under way is doing. */
  readonly verb: "downloading" | "uploading";
}

/**
 * Draws over itself ten times a second on a terminal. Anywhere else only the last frame is written: what came before it
 * is of no use in a log.
 */
export function openLocalProgress({ stdout, reference, verb }: LocalProgressOptions): LocalProgress {
  const started = performance.now();
  const lines = new Map<string, ProgressLine>();
  if (reference !== undefined) lines.set("", { name: reference, status: "resolving", offset: 0n, total: 0n });
  const screen = openScreen(stdout);
  const draw = (all: readonly ProgressLine[]) =>
    screen.draw(formatFrame(all, transferred(all), (performance.now() - started) / 1000));
  const timer = screen.redraws
    ? setInterval(() => void draw([...lines.values()]).catch(() => undefined), FRAME_MS)
    : undefined;
  return {
    on: (event) => follow(lines, event, verb),
    async finish() {
      clearInterval(timer);
      await draw([...lines.values()].map(settled));
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
    },
  };
}

function follow(lines: Map<string, ProgressLine>, event: TransferEvent, verb: string): void {
  if (event.kind === "resolving" || event.kind === "resolved") {
    const line = lines.get("");
    if (line) lines.set("", { ...line, status: event.kind });
    return;
  }
  const { ref, descriptor } = event;
  const total = descriptor.size;
  const status = event.kind === "transferring" ? verb : settledWord(event.kind, verb);
  const offset = event.kind === "transferring" ? event.offset : event.kind === "done" ? total : 0n;
  lines.set(ref, { name: ref, status, offset, total });
}

/** What the registry had before is `done`, too: a push tells what is there in the end. */
function settledWord(kind: string, verb: string): string {
  return kind === "exists" && verb === "uploading" ? "done" : kind;
}

function settled(line: ProgressLine): ProgressLine {
  return line.status === "resolved" || line.status === "exists" ? line : { ...line, status: "done" };
}

function transferred(lines: readonly ProgressLine[]): bigint {
  return lines.reduce((sum, { offset }) => sum + offset, 0n);
}
