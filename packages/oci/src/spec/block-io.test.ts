import { expect, test } from "bun:test";
import { withBlockIo } from "./block-io.ts";
import { defaultSpec } from "./default-spec.ts";
import { encodeSpec } from "./encode.ts";
import type { HostEntry, SpecHost } from "./option.ts";
import { expandPattern } from "./path-pattern.ts";
import { parseQuantity } from "./quantity.ts";
import type { SpecBlockIo } from "./types.ts";

const block = (minor: number): HostEntry => ({
  kind: "device",
  device: { type: "b", major: 8, minor, mode: 0o660, uid: 0, gid: 6 },
});
const entries: Readonly<Record<string, HostEntry>> = {
  "/": { kind: "directory", names: ["dev"] },
  "/dev": { kind: "directory", names: ["sda", "sdb", "sdc1", "null", "disk", "a.b", "a+b"] },
  "/dev/disk": { kind: "directory", names: ["SSD-1", "hdd"] },
  "/dev/sda": block(0),
  "/dev/sdb": block(16),
  "/dev/sdc1": block(33),
  "/dev/null": { kind: "device", device: { type: "c", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 } },
  "/dev/a.b": { kind: "other" },
  "/dev/a+b": { kind: "other" },
};
const links: Readonly<Record<string, string>> = { "/dev/disk/SSD-1": "/dev/sdb", "/dev/disk/hdd": "/dev/sda" };

function hostWith(config: string): SpecHost {
  return {
    hostname: "h",
    architecture: "amd64",
    kernel: [6, 1],
    effectiveCapabilities: async () => [],
    parseYaml: (text) => Bun.YAML.parse(text),
    loadAppArmor: async () => undefined,
    realPath: async (path) => links[path] ?? (entries[path] === undefined ? undefined : path),
    async readFile(path) {
      if (path !== "/cfg") throw new Error(`open ${path}: no such file or directory`);
      return new TextEncoder().encode(config);
    },
    async stat(path) {
      const entry = entries[path];
      if (entry === undefined) throw new Error(`stat ${path}: no such file or directory`);
      return entry;
    },
  };
}

async function ask(config: string, name: string, path = "/cfg"): Promise<SpecBlockIo | undefined> {
  const names = { namespace: "default", id: "x" };
  const context = { ...names, host: hostWith(config), rootfs: { readFile: async () => undefined } };
  return (await withBlockIo(path, name)(defaultSpec(names), context)).linux?.resources?.blockIO;
}

const config = `
Classes:
  slow:
    - Weight: 80
    - Devices: ["/dev/sd[ab]", "/dev/nvme*"]
      ThrottleReadBps: 50M
      ThrottleWriteBps: 10Mi
      ThrottleReadIOPS: 10k
      ThrottleWriteIOPS: "5000"
      Weight: 50
    - Devices: [/dev/disk/SSD-*]
      ThrottleReadBps: 100M
      Weight: 60
  fast:
    - weight: 400
`;

test("withBlockIo() gives what a class says of the devices there are, later settings over earlier ones", async () => {
  expect(await ask(config, "slow")).toEqual({
    weight: 80,
    weightDevice: [
      { major: 8, minor: 0, weight: 50 },
      { major: 8, minor: 16, weight: 60 },
    ],
    throttleReadBpsDevice: [
      { major: 8, minor: 0, rate: 50_000_000 },
      { major: 8, minor: 16, rate: 100_000_000 },
    ],
    throttleWriteBpsDevice: [
      { major: 8, minor: 0, rate: 10_485_760 },
      { major: 8, minor: 16, rate: 10_485_760 },
    ],
    throttleReadIOPSDevice: [
      { major: 8, minor: 0, rate: 10_000 },
      { major: 8, minor: 16, rate: 10_000 },
    ],
    throttleWriteIOPSDevice: [
      { major: 8, minor: 0, rate: 5000 },
      { major: 8, minor: 16, rate: 5000 },
    ],
  });
  expect(await ask(config, "fast")).toEqual({ weight: 400 });
  expect(await ask(config, "")).toBeUndefined();
});

test("encodeSpec() writes block I/O in Go's order", async () => {
  const blockIO = await ask("Classes: {a: [{Devices: [/dev/sda], ThrottleReadBps: 1, Weight: 10}, {Weight: 20}]}", "a");
  const spec = { ociVersion: "1", linux: { resources: blockIO === undefined ? {} : { blockIO } } };
  expect(new TextDecoder().decode(encodeSpec(spec))).toContain(
    '"blockIO":{"weight":20,"weightDevice":[{"major":8,"minor":0,"weight":10}],"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}]}',
  );
});

test.each([
  ["no such class", config, "other", 'blockio-class error: no OCI BlockIO parameters for class "other"'],
  ["a weight too small", "Classes: {a: [{Weight: 9}]}", "b", 'value of "weight" (9) smaller than minimum (10)'],
  ["a weight too large", "Classes: {a: [{Weight: 1001}]}", "a", 'value of "weight" (1001) bigger than maximum (1000)'],
  ["a negative rate", "Classes: {a: [{Devices: [], ThrottleReadBps: -1}]}", "a", "smaller than minimum (0)"],
  ["no amount", "Classes: {a: [{Weight: much}]}", "a", 'syntax error in "weight" ("much")'],
  ["a rate without devices", "Classes: {a: [{ThrottleReadBps: 1M}]}", "a", "Devices not listed"],
  ["a member nobody reads", "Classes: {a: [{Wait: 1}]}", "a", 'unknown field "wait"'],
  ["another file", "Rules: {}", "a", 'unknown field "rules"'],
  ["no YAML", "Classes: [", "a", "blockio-config-file error: failed to set configuration"],
])("withBlockIo() refuses %s", async (_what, text, name, message) => {
  await expect(ask(text, name)).rejects.toThrow(message);
});

test("withBlockIo() tells of a file that is not there, and of a class without a file", async () => {
  await expect(ask("", "a", "/nosuch")).rejects.toThrow(
    'blockio-config-file error: failed to read config file "/nosuch": open /nosuch: no such file or directory',
  );
  await expect(ask("", "a", "")).rejects.toMatchObject({ fix: expect.stringContaining("--blockio-config-file") });
});

test.each([
  ["0", 0],
  ["50M", 50e6],
  ["10k", 10_000],
  ["1Ki", 1024],
  ["1.5Gi", 1.5 * 2 ** 30],
  ["1e3", 1000],
  ["1E", 1e18],
  ["2E3", 2000],
  ["100m", 1],
  ["1500m", 2],
  [".5k", 500],
  ["+7", 7],
  ["-7", -7],
  ["", undefined],
  ["k", undefined],
  ["1K", undefined],
  ["1 k", undefined],
  ["1kB", undefined],
])("parseQuantity(%p) is %p", (text, wanted) => {
  expect(parseQuantity(text)).toBe(wanted);
});

test.each([
  ["/dev/sd?", ["/dev/sda", "/dev/sdb"]],
  ["/dev/sd*", ["/dev/sda", "/dev/sdb", "/dev/sdc1"]],
  ["/dev/sd[b-z]*", ["/dev/sdb", "/dev/sdc1"]],
  ["/dev/sd[^a]", ["/dev/sdb"]],
  ["/*/sda", ["/dev/sda"]],
  ["/dev/sda", ["/dev/sda"]],
  ["/dev/a.b", ["/dev/a.b"]],
  ["/dev/a.?", ["/dev/a.b"]],
  ["/dev/a\\+*", ["/dev/a+b"]],
  ["/dev/nosuch", []],
  ["/dev/*/nosuch", []],
])("expandPattern(%p) finds %p", async (pattern, wanted) => {
  expect(await expandPattern(pattern, hostWith(""))).toEqual(wanted);
});
