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
export function openScreen(stdout: Output, widthOf: () => number = () => process.stdout.columns || 80): Screen {
  const redraws = stdout.isTerminal();
  let lines = 0;
  return {
    redraws,
    async draw(frame) {
      const erase = redraws ? ERASE_LINE.repeat(lines) : "";
      lines = redraws ? countLines(frame, widthOf()) : 0;
      await stdout.write(erase + frame);
    },
  };
}

const TAB_STOP = 8;

/** Screen lines a frame takes: long ones wrap, a tab goes to the next stop, colour codes take no room. */
export function countLines(frame: string, columns: number): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes begin with one
  const plain = frame.replace(/\u001b\[[0-9;]*m/g, "");
  const lines = plain.endsWith("\n") ? plain.slice(0, -1).split("\n") : plain.split("\n");
  return lines.reduce((sum, line) => sum + countRows(line, columns), 0);
}

/** The cursor waits behind the last column: only a further character wraps, and a tab never does. */
function countRows(line: string, columns: number): number {
  let rows = 1;
  let column = 0;
  for (const character of line) {
    if (character === "\t") {
      column = Math.max(column, Math.min(columns - 1, (Math.floor(column / TAB_STOP) + 1) * TAB_STOP));
    } else {
      const width = Bun.stringWidth(character);
      if (column + width > columns) {
        rows++;
        column = 0;
      }
      column += width;
    }
  }
  return rows;
}
