import { expect, test } from "bun:test";
import { formatBar, formatFrame } from "./frame.ts";
import { countLines } from "./screen.ts";

/** Without the two colour codes of a bar. */
function plainText(text: string): string {
  return text.replaceAll("\u001b[32m", "").replaceAll("\u001b[0m", "");
}

test("formatBar() fills 38 columns by whole steps", () => {
  const plain = (ratio: number) => plainText(formatBar(ratio));
  expect(plain(0)).toBe(`|${"-".repeat(38)}|`);
  expect(plain(0.5)).toBe(`|${"+".repeat(19)}${"-".repeat(19)}|`);
  expect(plain(2)).toBe(`|${"+".repeat(38)}|`);
});

test("formatFrame() lines up blobs and summary as the Go tool does", () => {
  const layer = { name: "layer-sha256:7dac", status: "downloading", offset: 3145728n, total: 6002082n };
  const resolved = { name: "r/x:v1", status: "resolved", offset: 0n, total: 0n };
  const lines = plainText(formatFrame([resolved, layer], 6291456n, 3.2)).split("\n");
  expect(lines[0]).toBe(`r/x:v1:            resolved       |${"+".repeat(38)}| `);
  expect(lines[1]).toBe(`layer-sha256:7dac: downloading    |${"+".repeat(19)}${"-".repeat(19)}|  3.0 MiB/5.7 MiB `);
  expect(lines[2]?.trimEnd()).toBe("elapsed: 3.2 s     total:  6.0 Mi (1.9 MiB/s)");
});

test("countLines() counts wrapped lines, not colour codes", () => {
  expect(countLines("abc\n\u001b[32mabcdef\u001b[0m\n", 3)).toBe(3);
});
