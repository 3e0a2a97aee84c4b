import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findHostDirectory, openHostSource } from "./hosts-dir.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-hosts-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function writeHosts(name: string, text: string): void {
  mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, name, "hosts.toml"), text);
}

test.each([
  ["host_port_ before host:port", ["a_5000_", "a:5000", "_default"], "a:5000", "a_5000_"],
  ["host:port before _default", ["a:5000", "_default"], "a:5000", "a:5000"],
  ["never the bare host for one with a port", ["a", "_default"], "a:5000", "_default"],
  ["_default for a host nobody knows", ["_default"], "b", "_default"],
  ["nothing where there is nothing", [], "b", undefined],
])("findHostDirectory() takes %s", (_what, names, host, expected) => {
  for (const name of names) mkdirSync(join(dir, name));
  expect(findHostDirectory(dir, host)).toBe(expected === undefined ? undefined : `${dir}/${expected}`);
});

test("openHostSource() maps docker.io to a mirror and keeps the server last", async () => {
  writeHosts("docker.io", `[host."http://127.0.0.1:5001"]\ncapabilities = ["pull", "resolve"]`);
  const hosts = await openHostSource({ hostsDir: dir })("docker.io");
  expect(hosts.map((host) => host.root.href)).toEqual(["http://127.0.0.1:5001/v2", "https://registry-1.docker.io/v2"]);
  expect(hosts[0]?.capabilities.has("push")).toBe(false);
});

test("openHostSource() honours override_path and a path that ends in /v2", async () => {
  writeHosts("a", `[host."https://m/x"]\noverride_path = true\n[host."https://n/v2"]\n[host."https://o/y"]`);
  const hosts = await openHostSource({ hostsDir: dir })("a");
  expect(hosts.map((host) => host.root.href)).toEqual([
    "https://m/x",
    "https://n/v2",
    "https://o/y/v2",
    "https://a/v2",
  ]);
});

test("openHostSource() names a certificate file that is missing", async () => {
  writeHosts("a", `[host."https://m"]\nca = "no.pem"`);
  await expect(openHostSource({ hostsDir: dir })("a")).rejects.toThrow(`file ${dir}/a/no.pem`);
});

test("openHostSource() tells of unknown keys", async () => {
  writeHosts("a", "nonsense = 1");
  const keys: string[] = [];
  await openHostSource({ hostsDir: dir, onUnknownKey: (_file, key) => keys.push(key) })("a");
  expect(keys).toEqual(["nonsense"]);
});

test.each([
  ["docker.io", {}, "https://registry-1.docker.io/v2", false],
  ["quay.io", {}, "https://quay.io/v2", false],
  ["localhost:5000", {}, "https://localhost:5000/v2", true],
  ["127.0.0.1", {}, "https://127.0.0.1/v2", false],
  ["localhost:80", {}, "http://localhost/v2", false],
  ["quay.io", { plainHttp: true }, "http://quay.io/v2", false],
])("openHostSource() speaks to %s %p at %s", async (host, options, root, plainFallback) => {
  const [found] = await openHostSource(options)(host);
  expect(found).toMatchObject({ plainFallback });
  expect(found?.root.href).toBe(root);
});

test("openHostSource() looks at the default directories, the first that knows the host, unless one is named", async () => {
  writeHosts("containerd/a", 'server = "https://first"');
  writeHosts("docker/a", 'server = "https://second"');
  writeHosts("docker/b", 'server = "https://second"');
  writeHosts("named/c", 'server = "https://named"');
  const defaultDirs = [join(dir, "containerd"), join(dir, "docker")];
  const rootOf = async (host: string, hostsDir = "") =>
    (await openHostSource({ hostsDir, defaultDirs })(host)).map(({ root }) => root.host);
  expect(await rootOf("a")).toEqual(["first"]);
  expect(await rootOf("b")).toEqual(["second"]);
  expect(await rootOf("c")).toEqual(["c"]);
  expect(await rootOf("a", join(dir, "named"))).toEqual(["a"]);
});
