import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveShimBinary, shimBinaryName, shimSearchPath } from "./shim-binary.ts";

test.each([
  ["io.containerd.runc.v2", "containerd-shim-runc-v2"],
  ["io.containerd.kata.v2", "containerd-shim-kata-v2"],
  ["wasmtime.v1", "containerd-shim-wasmtime-v1"],
])("shimBinaryName() of %s is %s", (runtime, binary) => {
  expect(shimBinaryName(runtime)).toBe(binary);
});

test.each(["runc", "", ".v2", "io.containerd..v2", "io.containerd.runc.", "a/b.runc.v2", "../evil.v1"])(
  "shimBinaryName() refuses %p",
  (runtime) => {
    expect(() => shimBinaryName(runtime)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  },
);

test("resolveShimBinary() takes the first that can be run, and a full path as it is", () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-shims-"));
  const [first, second] = [join(dir, "1"), join(dir, "2")];
  for (const each of [first, second]) {
    mkdirSync(each);
    writeFileSync(join(each, "containerd-shim-x-v1"), "", { mode: 0o755 });
  }
  expect(resolveShimBinary("io.x.v1", [first, second])).toBe(join(first, "containerd-shim-x-v1"));
  chmodSync(join(first, "containerd-shim-x-v1"), 0o644);
  if (process.getuid?.() === 0) {
    expect(resolveShimBinary("io.x.v1", [first, second])).toBe(join(second, "containerd-shim-x-v1"));
  }
  expect(resolveShimBinary(join(second, "containerd-shim-x-v1"), [])).toBe(join(second, "containerd-shim-x-v1"));
  expect(() => resolveShimBinary(first, [])).toThrow(expect.objectContaining({ code: "not_found" }));
  expect(() => resolveShimBinary("io.y.v1", [first])).toThrow(/binary not installed "containerd-shim-y-v1"/);
  rmSync(dir, { recursive: true });
});

test("shimSearchPath() leaves relative directories of PATH out", () => {
  const before = process.env["PATH"];
  process.env["PATH"] = ".::bin:/usr/bin";
  const path = shimSearchPath(["/libexec"]);
  process.env["PATH"] = before;
  expect(path).toEqual(["/usr/bin", "/libexec", "/usr/local/sbin", "/usr/sbin", "/sbin"]);
});
