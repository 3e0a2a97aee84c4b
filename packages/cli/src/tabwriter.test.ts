import { expect, test } from "bun:test";
import fc from "fast-check";
import { alignTabs, contentTable, formatOpenTable, formatTable, narrowTable } from "./tabwriter.ts";

interface Sample {
  readonly MinWidth: number;
  readonly TabWidth: number;
  readonly Padding: number;
  readonly PadChar: " " | "\t";
  readonly Input: string;
  readonly Output: string;
}

test("alignTabs() writes what Go's text/tabwriter wrote", async () => {
  const text = await Bun.file(new URL("../testdata/tabwriter.jsonl", import.meta.url)).text();
  for (const line of text.trim().split("\n")) {
    const { MinWidth, TabWidth, Padding, PadChar, Input, Output }: Sample = JSON.parse(line);
    const options = { minWidth: MinWidth, tabWidth: TabWidth, padding: Padding, padChar: PadChar };
    expect(alignTabs(Input, options)).toBe(Output);
  }
});

test("formatTable() pads the last cell too", () => {
  expect(
    formatTable(
      [
        ["NAME", "LABELS"],
        ["teamns", "a=b,c=true"],
        ["default", ""],
      ],
      narrowTable,
    ),
  ).toBe("NAME    LABELS     \nteamns  a=b,c=true \ndefault            \n");
});

test("alignTabs() fills content tables with tabs", () => {
  expect(alignTabs("DIGEST\tSIZE\nsha256:abcdef\t9B\n", contentTable)).toBe("DIGEST\t\tSIZE\nsha256:abcdef\t9B\n");
});

const cell = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.constantFrom("", "a\tb", "two\nlines", "käse"));
const table = fc.oneof(
  fc
    .nat({ max: 4 })
    .chain((columns) => fc.array(fc.array(fc.string(), { minLength: columns, maxLength: columns })))
    // Long enough for the quicker way.
    .map((rows) => Array.from({ length: 50 }, () => rows).flat()),
  fc.array(fc.array(cell, { maxLength: 4 })),
);

test.each([
  ["narrow", narrowTable],
  ["content", contentTable],
])("formatTable() and formatOpenTable() are alignTabs() of what they are given, in a %s table", (_which, options) => {
  fc.assert(
    fc.property(table, (rows) => {
      const closed = rows.map((row) => `${row.map((text) => `${text}\t`).join("")}\n`).join("");
      expect(formatTable(rows, options)).toBe(alignTabs(closed, options));
      const open = rows.map((row) => `${row.join("\t")}\n`).join("");
      expect(formatOpenTable(rows, options)).toBe(alignTabs(open, options));
    }),
  );
});
