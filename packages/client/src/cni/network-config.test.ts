import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepsResult, parseNetworkConfig, readNetworkConfig } from "./network-config.ts";

const parse = (value: unknown) => parseNetworkConfig(Buffer.from(JSON.stringify(value)), "/etc/cni/net.d/x.conflist");

test("parseNetworkConfig() reads a list with all that its plugins are given", () => {
  const bridge = { type: "bridge", bridge: "cni0", ipam: { type: "host-local" } };
  const portmap = { type: "portmap", capabilities: { portMappings: true, snat: false } };
  const { name, cniVersion, plugins } = parse({ name: "net", cniVersion: "1.0.0", plugins: [bridge, portmap] });
  expect({ name, cniVersion }).toEqual({ name: "net", cniVersion: "1.0.0" });
  expect(plugins).toEqual([
    { type: "bridge", capabilities: [], members: bridge },
    { type: "portmap", capabilities: ["portMappings"], members: portmap },
  ]);
});

test("parseNetworkConfig() makes a lone plugin a list", () => {
  const alone = { name: "lo", cniVersion: "0.3.1", type: "loopback" };
  const { name, plugins, text } = parse(alone);
  expect({ name, types: plugins.map(({ type }) => type) }).toEqual({ name: "lo", types: ["loopback"] });
  expect(JSON.parse(text)).toEqual({ name: "lo", cniVersion: "0.3.1", plugins: [alone] });
});

test("parseNetworkConfig() takes the newest version it knows where a list has several", () => {
  const plugins = [{ type: "x" }];
  expect(parse({ name: "n", cniVersions: ["0.4.0", "1.0.0", "2.0.0"], plugins }).cniVersion).toBe("1.0.0");
  expect(parse({ name: "n", cniVersion: "0.4.0", cniVersions: ["9.0.0"], plugins }).cniVersion).toBe("0.4.0");
});

test.each([
  ["0.3.1", false],
  ["0.4.0", true],
  ["1.0.0", true],
  ["", false],
])("keepsResult() of a list of version %p is %p", (cniVersion, wanted) => {
  expect(keepsResult(parse({ name: "n", cniVersion, plugins: [{ type: "x" }] }))).toBe(wanted);
});

test.each([
  ["no JSON", "{", "it is not JSON"],
  ["a list", "[]", "it is no JSON object"],
  ["no name", { plugins: [{ type: "x" }] }, '"" is no name of a network'],
  ["a name that leads elsewhere", { name: "../x", plugins: [{ type: "x" }] }, '"../x" is no name of a network'],
  ["no plugins", { name: "n", plugins: [] }, "there are none"],
  ["plugins of another kind", { name: "n", plugins: {} }, "not a list"],
  ["a plugin without a type", { name: "n", plugins: [{}] }, '"" is no name of a plugin'],
  ["a plugin by path", { name: "n", plugins: [{ type: "../sh" }] }, '"../sh" is no name of a plugin'],
  ["a lone plugin without a type", { name: "n" }, '"" is no name of a plugin'],
])("parseNetworkConfig() refuses %s, naming the file", (_what, value, why) => {
  const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  expect(() => parseNetworkConfig(bytes, "/etc/cni/net.d/x.conflist")).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(why) }),
  );
  expect(() => parseNetworkConfig(bytes, "/etc/cni/net.d/x.conflist")).toThrow("/etc/cni/net.d/x.conflist");
});

test("readNetworkConfig() takes the first file by name, of those that are configurations", () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-cni-config-"));
  expect(() => readNetworkConfig(dir)).toThrow(
    expect.objectContaining({ code: "failed_precondition", message: `no network config found in ${dir}` }),
  );
  const write = (name: string) =>
    writeFileSync(join(dir, name), JSON.stringify({ name: name.replace(".", "-"), type: "x" }));
  for (const name of ["00-readme.txt", "20-b.conf", "10-a.json", "30-c.conflist"]) write(name);
  expect(readNetworkConfig(dir).name).toBe("10-a-json");
  write("05-z.conf");
  expect(readNetworkConfig(dir).name).toBe("05-z-conf");
  expect(() => readNetworkConfig(join(dir, "nosuch"))).toThrow("no network config found");
});
