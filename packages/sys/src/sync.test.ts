import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { throwWriteFault } from "./sync.ts";

test("throwWriteFault() is silent while nothing went wrong, and fails for what is no open file", () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-sync-"));
  try {
    const fd = openSync(join(dir, "f"), "w");
    writeSync(fd, "x");
    throwWriteFault(fd, "f");
    closeSync(fd);
    expect(() => throwWriteFault(fd, "f")).toThrow("sync_file_range f");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
