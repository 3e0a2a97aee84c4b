import type { Output } from "../streams.ts";

/** A part of the screen that is drawn over again and again. */
export interface Screen {
  /** False where there is no terminal: every frame then stands for itself. */
  readonly redraws: boolean;
  draw(frame: string): Promise<void>;
}

/** Up one line, clear it, to its start. */
const ERASE_LINE = "\u001b[1A\u001b[2K\r";

/** Opens the lower end of the terminal for frames. */
export function openScreen(stdout: Output): Screen {
  const redraws = stdout.isTerminal();
  let lines = 0;
  return {
    redraws,
    async draw(frame) {
      const erase = redraws ? ERASE_LINE.repeat(lines) : "";
      lines = redraws ? countLines(frame, process.stdout.columns || 80) : 0;
      await stdout.write(erase + frame);
    },
  };
}

/** Screen lines a frame takes: long ones wrap, colour codes take no room. */
export function countLines(frame: string, columns: number): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes begin with one
  const plain = frame.replace(/\u001b\[[0-9;]*m/g, "");
  const lines = plain.endsWith("\n") ? plain.slice(0, -1).split("\n") : plain.split("\n");
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
}
