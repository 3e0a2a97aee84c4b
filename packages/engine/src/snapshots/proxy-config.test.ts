import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openTestStore } from "../testing/test-store.ts";
import { parseProxies, proxyConfigs } from "./proxy-config.ts";

test("parseProxies() takes the lines of a containerd's configuration", () => {
  const text = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  x = 1
[proxy_plugins]
  [proxy_plugins.stargz]
    type = "snapshot"
    address = "unix:///run/stargz.sock"
    capabilities = ["rebase"]
    [proxy_plugins.stargz.exports]
      root = "/var/lib/stargz"
  [proxy_plugins.far]
    type = "snapshot"
    address = "/run/far.sock"
    snapshotter = "overlayfs"
`;
  const file = "f.toml";
  expect(parseProxies(text, file)).toEqual([
    {
      name: "stargz",
      address: "/run/stargz.sock",
      remoteName: "stargz",
      file,
      exports: { root: "/var/lib/stargz" },
      capabilities: ["rebase"],
    },
    { name: "far", address: "/run/far.sock", remoteName: "overlayfs", file, exports: {}, capabilities: [] },
  ]);
  expect(parseProxies("", file)).toEqual([]);
});

test.each([
  ["text that is no TOML", "[proxy_plugins", /file f\.toml/],
  ["a plugin of another kind", '[proxy_plugins.a]\ntype = "content"\naddress = "/a"', /a\.type is "content"/],
  ["a plugin without a kind", '[proxy_plugins.a]\naddress = "/a"', /a\.type is undefined/],
  ["an address that is no path", '[proxy_plugins.a]\ntype = "snapshot"\naddress = "a:1"', /a\.address is not the path/],
  ["no address", '[proxy_plugins.a]\ntype = "snapshot"', /a\.address is not the path/],
  ["one of the engine's own names", '[proxy_plugins.native]\ntype = "snapshot"\naddress = "/a"', /own snapshotters/],
  ["a name with a slash", '[proxy_plugins."a/b"]\ntype = "snapshot"\naddress = "/a"', /no name for a snapshotter/],
  ["a plugin that is no table", "[proxy_plugins]\na = 1", /proxy_plugins\.a is not a table/],
  [
    "capabilities that are no list",
    '[proxy_plugins.a]\ntype = "snapshot"\naddress = "/a"\ncapabilities = "rebase"',
    /capabilities is not a list/,
  ],
])("parseProxies() refuses %s", (_why, text, message) => {
  expect(() => parseProxies(text, "f.toml")).toThrow(message);
});

test("proxyConfigs() reads the store's own file", () => {
  using store = openTestStore();
  expect(proxyConfigs(store).map(({ name }) => name)).not.toContain("far");
  const file = join(store.root, "config.toml");
  writeFileSync(file, '[proxy_plugins.far]\ntype = "snapshot"\naddress = "/run/far.sock"\n');
  expect(proxyConfigs(store)).toContainEqual(expect.objectContaining({ name: "far", file }));
});
