import { expect, test } from "bun:test";
import { bootstrapV1 } from "@ctr/api";
import fc from "fast-check";
import { parseShimAnswer, shimAddressFromFiles, socketPathOf } from "./shim-address.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const ADDRESS = "unix:///run/containerd/s/00ff";

test.each([
  ["a bare address", bytes(ADDRESS), 2, "ttrpc"],
  ["a bare address and a newline", bytes(`${ADDRESS}\n`), 2, "ttrpc"],
  ["JSON", bytes(JSON.stringify({ version: 3, address: ADDRESS, protocol: "TTRPC" })), 3, "ttrpc"],
  ["JSON without a protocol", bytes(JSON.stringify({ version: 2, address: ADDRESS })), 2, "ttrpc"],
  [
    "protobuf",
    bootstrapV1.BootstrapResult.encode(
      bootstrapV1.BootstrapResult.fromPartial({ version: 3, address: ADDRESS, protocol: "grpc" }),
    ).finish(),
    3,
    "grpc",
  ],
] as const)("parseShimAnswer() reads %s", (_what, stdout, version, protocol) => {
  expect(parseShimAnswer(stdout)).toEqual({ version, address: ADDRESS, protocol });
});

test.each([
  ["version 4", JSON.stringify({ version: 4, address: ADDRESS }), "unimplemented"],
  ["another protocol", JSON.stringify({ version: 3, address: ADDRESS, protocol: "smoke" }), "unimplemented"],
  ["nothing", "", "unknown"],
  ["a complaint", "could not start: no such thing", "unknown"],
])("parseShimAnswer() refuses %s", (_what, stdout, code) => {
  expect(() => parseShimAnswer(bytes(stdout))).toThrow(expect.objectContaining({ code }));
});

test("parseShimAnswer() gives an address or a ContainerdError for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (stdout) => {
      try {
        expect(parseShimAnswer(stdout).address).not.toBe("");
      } catch (error) {
        expect(error).toMatchObject({ name: "ContainerdError" });
      }
    }),
  );
});

test("shimAddressFromFiles() prefers our file to the shim's own", () => {
  const json = JSON.stringify({ version: 3, address: ADDRESS, protocol: "ttrpc" });
  expect(shimAddressFromFiles(json, "unix:///other")).toMatchObject({ version: 3, address: ADDRESS });
  expect(shimAddressFromFiles(undefined, `${ADDRESS}\n`)).toMatchObject({ version: 2, address: ADDRESS });
  expect(shimAddressFromFiles("{", undefined)).toBeUndefined();
  expect(shimAddressFromFiles(undefined, "")).toBeUndefined();
});

test.each(["/run/s", "@abstract", "vsock://1:2", "unix://relative"])("R2: socketPathOf() refuses %s", (address) => {
  expect(() => socketPathOf(address)).toThrow(expect.objectContaining({ code: "unimplemented" }));
});
