import { alignTabs, narrowTable } from "../tabwriter.ts";
import { formatIec } from "../units.ts";

/** One line of a local progress display. */
export interface ProgressLine {
  readonly name: string;
  /** `waiting`, `downloading`, `done`… */
  readonly status: string;
  /** Bytes over so far. */
  readonly offset: bigint;
  readonly total: bigint;
}

const BAR_WIDTH = 38;
const GREEN = "\u001b[32m";
const PLAIN = "\u001b[0m";

/** `|++++----|`, forty columns and two colour codes. */
export function formatBar(ratio: number): string {
  const full = Math.floor(BAR_WIDTH * Math.min(Math.max(ratio, 0), 1));
  return `|${GREEN}${"+".repeat(full)}${PLAIN}${"-".repeat(BAR_WIDTH - full)}|`;
}

/** A frame: a line per blob, then time, bytes and rate. */
export function formatFrame(lines: readonly ProgressLine[], total: bigint, elapsedSeconds: number): string {
  const seconds = Math.max(elapsedSeconds, 0.001);
  const rate = `(${formatIec(Number(total) / seconds)}/s)`;
  const summary = `elapsed: ${elapsedSeconds.toFixed(1).padEnd(4)}s\ttotal: ${formatIec(total).slice(0, 6).padStart(7)}\t${rate}\t\n`;
  return alignTabs(lines.map(formatLine).join("") + summary, narrowTable);
}

function formatLine({ name, status, offset, total }: ProgressLine): string {
  switch (status) {
    case "downloading":
    case "uploading": {
      const bar = formatBar(total > 0n ? Number(offset) / Number(total) : 0);
      return `${name}:\t${status}\t${bar}\t${formatIec(offset).slice(0, 8).padStart(8)}/${formatIec(total)}\t\n`;
    }
    case "resolving":
    case "waiting":
      return `${name}:\t${status}\t${formatBar(0)}\t\n`;
    default:
      return `${name}:\t${status}\t${formatBar(1)}\t\n`;
  }
}
