/** The parameters of Go's text/tabwriter. */
export interface TabwriterOptions {
  readonly minWidth: number;
  readonly tabWidth: number;
  readonly padding: number;
  readonly padChar: " " | "\t";
}

/** images, leases, namespaces, snapshots, progress. */
export const narrowTable: TabwriterOptions = { minWidth: 1, tabWidth: 8, padding: 1, padChar: " " };
/** containers, tasks list, plugins. */
export const wideTable: TabwriterOptions = { minWidth: 4, tabWidth: 8, padding: 4, padChar: " " };
/** tasks ps, tasks metrics. */
export const taskTable: TabwriterOptions = { minWidth: 1, tabWidth: 8, padding: 4, padChar: " " };
/** content list, content active. */
export const contentTable: TabwriterOptions = { minWidth: 1, tabWidth: 8, padding: 1, padChar: "\t" };
/** help texts. */
export const helpTable: TabwriterOptions = { minWidth: 1, tabWidth: 8, padding: 2, padChar: " " };

/**
 * Aligns tab-ended cells as Go's text/tabwriter does: a column is a run of adjacent lines that have a cell there, its
 * width that of the widest plus padding; what follows the last tab of a line is text, not a cell.
 */
export function alignTabs(text: string, options: TabwriterOptions): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const last = lines.at(-1);
  // Without a newline at the end, Go takes the last tab as the end of text, not of a cell.
  if (last && last.length > 1 && last.at(-1) === "") last.pop();
  const out: string[] = [];
  formatRange(lines, 0, lines.length, [], options, out);
  return out.join("\n");
}

/** Rows of cells as one aligned table; every cell counts, the last one too, as rows that end in a tab do. */
export function formatTable(rows: Rows, options: TabwriterOptions): string {
  if (isGrid(rows)) return formatGrid(rows, rows[0]?.length ?? 0, options);
  return alignTabs(rows.map((row) => `${row.map((cell) => `${cell}\t`).join("")}\n`).join(""), options);
}

/** The same where the last of a row is text that nothing follows, however long it is. */
export function formatOpenTable(rows: Rows, options: TabwriterOptions): string {
  if (isGrid(rows)) return formatGrid(rows, (rows[0]?.length ?? 1) - 1, options);
  return alignTabs(rows.map((row) => `${row.join("\t")}\n`).join(""), options);
}

type Rows = readonly (readonly string[])[];

/** Rows of as many cells each, which no tab or newline divides: nearly every table is that. */
function isGrid(rows: Rows): boolean {
  const count = rows[0]?.length;
  for (const row of rows) if (row.length !== count) return false;
  const text = rows.flat().join("");
  return !text.includes("\t") && !text.includes("\n");
}

/** Rows for which looking at them all at once is worth compiling an expression. */
const MANY_ROWS = 50;

function isLongAscii(rows: Rows): boolean {
  return rows.length >= MANY_ROWS && !/[^ -~]/.test(rows.flat().join(""));
}

/** The first `padded` columns are as wide as their widest cell asks. */
function formatGrid(rows: Rows, padded: number, options: TabwriterOptions): string {
  const widthOf = isLongAscii(rows) ? (cell: string) => cell.length : cellWidth;
  const widths: number[] = [];
  // By column, then by how wide a cell is: most rows are like another.
  const pads: string[][] = [];
  for (let column = 0; column < padded; column++) {
    let widest = 0;
    for (const row of rows) {
      const have = widthOf(row[column] ?? "");
      if (have > widest) widest = have;
    }
    widths.push(columnWidth(widest, options));
    pads.push([]);
  }
  let out = "";
  for (const row of rows) {
    let column = 0;
    for (const cell of row) {
      out += cell;
      const known = pads[column];
      const width = widths[column++];
      if (known === undefined || width === undefined) continue;
      const have = widthOf(cell);
      known[have] ??= pad(have, width, options);
      out += known[have];
    }
    out += "\n";
  }
  return out;
}

/** Comparisons instead of `Math.max`: to make the runtime's Math takes a program 0.05 ms. */
function columnWidth(widest: number, { minWidth, padding }: TabwriterOptions): number {
  const width = widest + padding;
  return width > minWidth ? width : minWidth;
}

type Lines = readonly (readonly string[])[];

/** One column at a time: `widths` are those of the columns to the left, which all lines of the range have. */
function formatRange(
  lines: Lines,
  from: number,
  to: number,
  widths: readonly number[],
  options: TabwriterOptions,
  out: string[],
): void {
  const column = widths.length;
  let start = from;
  for (let line = from; line < to; line++) {
    if (!hasCell(lines, line, column)) continue;
    for (let plain = start; plain < line; plain++) out.push(formatLine(lines[plain] ?? [], widths, options));
    let end = line;
    let widest = 0;
    while (end < to && hasCell(lines, end, column)) {
      const have = cellWidth(lines[end]?.[column] ?? "");
      if (have > widest) widest = have;
      end++;
    }
    formatRange(lines, line, end, [...widths, columnWidth(widest, options)], options, out);
    start = end;
    line = end - 1;
  }
  for (let plain = start; plain < to; plain++) out.push(formatLine(lines[plain] ?? [], widths, options));
}

function hasCell(lines: Lines, line: number, column: number): boolean {
  return column < (lines[line]?.length ?? 0) - 1;
}

function cellWidth(cell: string): number {
  let count = 0;
  for (const _ of cell) count++;
  return count;
}

function formatLine(cells: readonly string[], widths: readonly number[], options: TabwriterOptions): string {
  let out = "";
  cells.forEach((cell, index) => {
    const width = widths[index];
    out += cell;
    if (width !== undefined && index < cells.length - 1) out += pad(cellWidth(cell), width, options);
  });
  return out;
}

function pad(have: number, width: number, options: TabwriterOptions): string {
  if (options.padChar === " ") return " ".repeat(width - have);
  // Tabs fill to the next multiple of the tab width; the cell itself ends somewhere inside one.
  const rounded = Math.ceil(width / options.tabWidth) * options.tabWidth;
  return "\t".repeat(Math.ceil((rounded - have) / options.tabWidth));
}
