import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  decodeAnyAs,
  encodeAny,
  introspectionTypes,
  introspectionV1,
  protobufAny,
  runcOptions,
  toStatus,
} from "@ctr/api";
import { registerService, serveH2c } from "@ctr/rpc";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { run } from "../support/process.ts";
import { sharedBench } from "./setup.ts";

/** What a daemon and this program say of themselves. */
const bench = sharedBench("system");
beforeAll(bench.open);
afterAll(bench.close);

test("version: the daemon's part is as the Go tool has it; without a daemon ours is still told", async () => {
  const { go, line } = bench.now;
  const serverPart = (text: string) => text.slice(text.indexOf("Server:"));
  const ours = await line(["version"]);
  expect(ours).toMatch(/^Client:\n {2}Version: {2}\S+\n {2}Revision: .*\n {2}Go version: .+\n\nServer:\n/);
  expect(serverPart(ours)).toBe(serverPart((await go(["version"])).stdout));
  const alone = await run([ourCtr, "-a", "/no/such.sock", "version"]);
  expect(alone.code).toBe(1);
  expect(alone.stdout).toStartWith("Client:\n");
  expect(alone.stderr).toContain("/no/such.sock");
});

test("--version: one line, and no daemon is asked", async () => {
  const { code, stdout, stderr } = await run([ourCtr, "-a", "/no/such.sock", "--version"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^ctr \S+ \S+\n$/);
});

test("info: what the daemon says of itself, as JSON; a 1.6 daemon knows only its id", async () => {
  const { go, line } = bench.now;
  const uuid = /UUID: (\S+)/.exec((await go(["version"])).stdout)?.[1] ?? "none";
  expect(await line(["info"])).toBe(`{\n    "server": {\n        "uuid": "${uuid}"\n    }\n}\n`);
});

test("plugins list: the table, ids alone, details, and filters, as the Go tool prints them", async () => {
  const { go, line } = bench.now;
  for (const words of [[], ["-q"], ["-d", "id==overlayfs"], ["type==io.containerd.snapshotter.v1"]]) {
    const argv = ["plugins", "list", ...words];
    expect(await line(argv)).toBe((await go(argv)).stdout);
  }
});

test("plugins inspect-runtime: a 1.6 daemon cannot tell, and the command says what could", async () => {
  const { code, stdout, stderr } = await bench.now.ctr(["plugins", "inspect-runtime"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toStartWith("ctr: the daemon or the shim cannot tell; it takes containerd 2.0 and a shim of 1.7");
});

test("plugins inspect-runtime: the shim that is named is asked, with the options that are given", async () => {
  const { dir } = bench.now.daemon;
  const { RuntimeInfo } = introspectionTypes;
  const bin = join(dir, "inspect-bin");
  const [asked, answer, shim] = [join(dir, "asked"), join(dir, "answer"), join(bin, "containerd-shim-runc-v2")];
  await mkdir(bin);
  const info = { name: "fake", version: { version: "7", revision: "r" }, annotations: { a: "b" } };
  await writeFile(answer, RuntimeInfo.encode(RuntimeInfo.fromPartial(info)).finish());
  await writeFile(shim, `#!/bin/sh\n[ "$1" = -info ] || exit 9\ncat >"${asked}"; cat "${answer}"\n`);
  await chmod(shim, 0o755);
  const root = join(dir, "inspect-root");
  const env = { PATH: `${bin}:${process.env["PATH"]}` };
  const inspect = ["-a", `embedded://${root}`, "plugins", "inspect-runtime"];
  const ours = (...words: readonly string[]) => run([ourCtr, ...inspect, ...words], { env });
  try {
    const { code, stdout, stderr } = await ours();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ Name: "fake", Version: { Version: "7", Revision: "r" } });
    const optionsWith = async (...words: readonly string[]) => {
      expect((await ours(...words)).code).toBe(0);
      const any = protobufAny.Any.decode(await readFile(asked));
      return { any, runc: decodeAnyAs(any, "containerd.runc.v1.Options") ?? runcOptions.Options.fromPartial({}) };
    };
    expect((await optionsWith("--runc-binary", "/b")).runc.binaryName).toBe("/b");
    expect((await optionsWith("--runc-root", "/r")).runc.root).toBe("/r");
    // There is no --cgroup here, which it takes.
    expect((await ours("--runc-systemd-cgroup")).stderr).toStartWith(
      "ctr: option --runc-systemd-cgroup requires --cgroup",
    );
    const { any } = await optionsWith("--runtime", shim, "--runtime-config-path", "/c.toml");
    expect(Buffer.from(any.value).toString()).toContain("/c.toml");
  } finally {
    await forgetStore(root).catch(() => undefined);
  }
});

test("deprecations list: nothing where nothing is deprecated; else a table or JSON", async () => {
  expect(await bench.now.line(["deprecations", "list"])).toBe("");
  const lastOccurrence = { seconds: 1_700_000_000n, nanos: 5000 };
  const deprecations = [{ id: "io.containerd.deprecation/x", message: "x will go", lastOccurrence }];
  await using daemon = await serveDeprecations(deprecations);
  const list = ["-a", daemon.address, "deprecations", "list"];
  const table = await run([ourCtr, ...list]);
  expect(table.stdout).toMatch(
    /^ID +LAST OCCURRENCE +MESSAGE *\nio\.containerd\.deprecation\/x +2023-11-14T\S+ +x will go *\n$/,
  );
  expect(JSON.parse((await run([ourCtr, ...list, "--format", "json"])).stdout)).toEqual([
    { id: "io.containerd.deprecation/x", message: "x will go", lastOccurrence: "2023-11-14T22:13:20.000005Z" },
  ]);
});

/** A daemon whose introspection tells of deprecations, as 1.7 and later do. */
async function serveDeprecations(deprecations: introspectionV1.ServerResponse["deprecations"]) {
  const address = join(bench.now.daemon.dir, "deprecations.sock");
  const stopping = new AbortController();
  const service = registerService(introspectionV1.IntrospectionDefinition, {
    server: async () => introspectionV1.ServerResponse.fromPartial({ uuid: "u", deprecations: [...deprecations] }),
    plugins: async () => ({ plugins: [] }),
    pluginInfo: async () => ({ plugin: undefined, extra: encodeAny("google.protobuf.Empty", {}) }),
  });
  const server = await serveH2c({
    path: address,
    services: [service],
    toStatus,
    signal: stopping.signal,
    drainMs: 100,
  });
  return Object.assign(server, { address });
}

test("oci spec: a spec of this host, or of the platform that is asked for, with no daemon", async () => {
  const spec = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await run([ourCtr, "-a", "/no/such.sock", "oci", "spec", ...words]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout);
  };
  const linux = await spec();
  expect(linux).toMatchObject({ process: { cwd: "/" }, linux: { namespaces: expect.any(Array) } });
  expect(linux.windows).toBeUndefined();
  const windows = await spec("--platform", "windows/amd64");
  expect(windows.linux).toBeUndefined();
  expect(windows.windows).toBeDefined();
  const theirs = JSON.parse((await bench.now.go(["oci", "spec"])).stdout);
  expect(Object.keys(linux)).toEqual(Object.keys(theirs));
});

test("--connect-timeout: how long a daemon that does not answer is waited for", async () => {
  const silent = join(bench.now.daemon.dir, "silent.sock");
  using _listener = Bun.listen({ unix: silent, socket: { data: () => undefined } });
  const { code, stderr } = await run([ourCtr, "-a", silent, "--connect-timeout", "100ms", "ns", "ls"], {
    timeoutMs: 5000,
  });
  expect(code).toBe(1);
  expect(stderr).toBe(
    `ctr: ${silent} took the connection, but has said nothing for 100 ms: context deadline exceeded: unavailable\n`,
  );
});

test("--debug: what is done besides is told on stderr", async () => {
  const { ctr } = bench.now;
  const words = ["content", "prune", "references"];
  const loud = await ctr(["--debug", ...words]);
  const quiet = await ctr(words);
  expect(loud.stderr).toContain("level=debug");
  expect(quiet.stderr).not.toContain("level=debug");
});
