import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseHostsToml } from "./hosts-toml.ts";

const file = "/etc/hosts.d/docker.io/hosts.toml";

test("parseHostsToml() keeps mirrors in file order and root keys with the server", () => {
  const parsed = parseHostsToml(
    `server = "https://registry-1.docker.io"
     skip_verify = true
     [host."https://b.example"]
       capabilities = ["Pull", "resolve"]
       ca = ["/x.pem", "y.pem"]
       client = [["c.pem", "k.pem"], ["d.pem", ""]]
       dial_timeout = "1m30s"
     [host."a.example:5000".header]
       X-Token = ["one", "two"]
       X-Other = "three"`,
    file,
  );
  expect(parsed.hosts.map((host) => host.url?.href)).toEqual(["https://b.example/", "https://a.example:5000/"]);
  expect(parsed.hosts[0]).toMatchObject({
    capabilities: new Set(["pull", "resolve"]),
    ca: ["/x.pem", "y.pem"],
    client: [
      ["c.pem", "k.pem"],
      ["d.pem", ""],
    ],
    dialTimeoutMs: 90_000,
    skipVerify: undefined,
  });
  expect(parsed.hosts[1]?.headers).toEqual({ "X-Token": ["one", "two"], "X-Other": ["three"] });
  expect(parsed.server).toMatchObject({ skipVerify: true });
  expect(parsed.unknownKeys).toEqual([]);
});

test("parseHostsToml() notes keys that nobody reads", () => {
  const parsed = parseHostsToml(`skip_verfiy = true\n[host."https://a"]\nplainhttp = 1`, file);
  expect(parsed.unknownKeys).toEqual([`host."https://a".plainhttp`, "skip_verfiy"]);
});

test.each([
  ["broken TOML", "server = ", "failed to parse TOML"],
  ["an unknown capability", `capabilities = ["fetch"]`, "key capabilities): unknown capability fetch"],
  ["a number for ca", `[host."https://a"]\nca = 1`, `key host."https://a".ca): not a list of strings`],
  ["three files in a pair", `client = [["a", "b", "c"]]`, "key client)"],
  ["text for skip_verify", `skip_verify = "yes"`, "key skip_verify): not true or false"],
  ["a host that is no table", `[host]\n"https://a" = 1`, "not a table"],
  ["a server of another scheme", `server = "httpx://a"`, "key server): unable to parse server"],
  ["a header that smuggles a line", `[header]\nX = "a\\r\\nY: b"`, "key header.X): not a header field"],
  ["a duration without unit", `dial_timeout = "30"`, "not a duration"],
])("parseHostsToml() names what is wrong with %s", (_what, text, message) => {
  expect(() => parseHostsToml(text, file)).toThrow(message);
});

test("parseHostsToml() throws one class of error for any text", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseHostsToml(text, file);
      } catch (error) {
        expect(error).toMatchObject({ code: "invalid_argument" });
      }
    }),
  );
});
