import { expect, test } from "bun:test";
import { hostname, release } from "node:os";
import fc from "fast-check";
import { capabilityNames, readEffectiveCapabilities } from "./capabilities.ts";
import { getHostname, getKernelVersion, readPathEntry, splitDevice } from "./host.ts";

test("hostname and kernel are what the system says", () => {
  expect(getHostname()).toBe(hostname());
  expect(release()).toStartWith(getKernelVersion().join("."));
});

test.each([
  ["a character device", "/dev/null", { kind: "device", device: { type: "c", major: 1, minor: 3 } }],
  ["a file", "/etc/passwd", { kind: "other" }],
])("readPathEntry() knows %s", (_what, path, expected) => {
  expect(readPathEntry(path)).toMatchObject(expected);
});

test("readPathEntry() lists a directory and names what is missing as Go does", () => {
  expect(readPathEntry("/dev")).toMatchObject({ kind: "directory", names: expect.arrayContaining(["null", "zero"]) });
  expect(() => readPathEntry("/no/such")).toThrow("stat /no/such: no such file or directory");
});

test("splitDevice() undoes the kernel's packing", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 0xfffff }), (major, minor) => {
      const packed = (minor & 0xff) + major * 256 + Math.floor(minor / 256) * 2 ** 20;
      expect(splitDevice(packed)).toEqual({ major, minor });
    }),
  );
});

test("capabilityNames() names the bits in the kernel's order, and this process has some list of them", () => {
  expect(capabilityNames(0b1001n | (1n << 40n))).toEqual(["CAP_CHOWN", "CAP_FOWNER", "CAP_CHECKPOINT_RESTORE"]);
  expect(capabilityNames(1n << 41n)).toEqual([]);
  expect(Array.isArray(readEffectiveCapabilities())).toBe(true);
});
