import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseNetworkConfig } from "./network-config.ts";
import { findPlugin, type PluginCall, runPlugin } from "./plugin.ts";

const { signal } = new AbortController();
const dir = mkdtempSync(join(tmpdir(), "ctr-cni-plugin-"));

function program(name: string, script: string) {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return findPlugin(name, [dir]);
}

const call: PluginCall = {
  command: "ADD",
  containerId: "ns-c1",
  netns: "/run/netns/x",
  interfaceName: "eth0",
  args: { K8S_POD_NAME: "a", B: "c" },
  capabilityArgs: { portMappings: [{ hostPort: 1 }], dns: { servers: [] } },
  prevResult: { cniVersion: "0.4.0", ips: [] },
};

function networkOf(plugin: object) {
  const network = parseNetworkConfig(
    Buffer.from(JSON.stringify({ name: "n", cniVersion: "0.4.0", plugins: [plugin] })),
    "x",
  );
  const [only] = network.plugins;
  if (only === undefined) throw new Error("the network has no plugin");
  return { network, plugin: only };
}

test("R20: runPlugin() hands over what the plugin has to know, and no file or variable of ours", async () => {
  const seen = join(dir, "seen");
  const record = program(
    "record",
    `cat >${seen}.in; env >${seen}.env; ls /proc/self/fd >${seen}.fd; echo '{"ips":[{"address":"10.0.0.1/24"}]}'`,
  );
  const part = networkOf({ type: "record", own: { deep: [1] }, capabilities: { portMappings: true, bandwidth: true } });
  process.env["BUN_SECRET"] = process.env["NODE_SECRET"] = process.env["CTR_SECRET"] = "x";
  const answer = await runPlugin(record, part, call, signal);
  expect(answer).toEqual({ cniVersion: "0.4.0", ips: [{ address: "10.0.0.1/24" }] });
  expect(JSON.parse(readFileSync(`${seen}.in`, "utf8"))).toEqual({
    type: "record",
    own: { deep: [1] },
    capabilities: { portMappings: true, bandwidth: true },
    name: "n",
    cniVersion: "0.4.0",
    runtimeConfig: { portMappings: [{ hostPort: 1 }] },
    prevResult: { cniVersion: "0.4.0", ips: [] },
  });
  // `ls` has the directory open as well.
  expect(readFileSync(`${seen}.fd`, "utf8")).toBe("0\n1\n2\n3\n");
  const env = readFileSync(`${seen}.env`, "utf8").split("\n");
  expect(env).toContain("CNI_ARGS=K8S_POD_NAME=a;B=c");
  // The shell adds two of its own.
  const names = env.map((line) => line.split("=")[0] ?? "").filter((name) => !["", "_", "PWD", "SHLVL"].includes(name));
  expect(names.toSorted()).toEqual([
    "CNI_ARGS",
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_IFNAME",
    "CNI_NETNS",
    "CNI_PATH",
    "PATH",
  ]);
});

test.each([
  ["its own words", `echo '{"code":7,"msg":"no","details":"way"}'; exit 1`, "no; way"],
  ["its stderr, on one line", "echo oops >&2; echo again >&2; exit 1", "oops; again"],
  ["its exit status", "exit 3", "netplugin failed with no error message: exit status 3"],
])("runPlugin() tells a failure in %s", async (_what, script, why) => {
  const running = runPlugin(program("failing", script), networkOf({ type: "failing" }), call, signal);
  await expect(running).rejects.toThrow(`plugin type="failing" failed (add): ${why}`);
});

test("R11: runPlugin() ends a plugin that writes more than anybody reads", async () => {
  const verbose = program("verbose", "head -c 40000000 /dev/zero");
  const running = runPlugin(verbose, networkOf({ type: "verbose" }), call, signal);
  await expect(running).rejects.toThrow('plugin type="verbose" failed (add)');
});

test("runPlugin() ends a plugin and its children when it is cancelled", async () => {
  const started = join(dir, "started");
  execFileSync("mkfifo", [started]);
  const hanging = program("hanging", `sleep 1000 & echo yes >${started}; wait`);
  const cancelled = new AbortController();
  const running = runPlugin(hanging, networkOf({ type: "hanging" }), call, cancelled.signal);
  expect(await readFile(started, "utf8")).toBe("yes\n");
  cancelled.abort(new Error("enough"));
  // The child has the plugin's streams, which do not end before it does.
  await expect(running).rejects.toThrow("enough");
});

test("findPlugin() names every directory it looked in", () => {
  expect(() => findPlugin("nosuch", [dir, "/nonexistent"])).toThrow(
    expect.objectContaining({
      code: "failed_precondition",
      message: `failed to find plugin "nosuch" in path [${dir} /nonexistent]`,
    }),
  );
});
