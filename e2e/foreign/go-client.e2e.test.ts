import { afterAll, beforeAll, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import type { PrivateContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** A Go program on containerd's client library, as Debian packages it, against `ctr serve`. */
let daemon: PrivateContainerd;
let registry: PrivateRegistry;
let program: string;

beforeAll(async () => {
  [daemon, registry] = await Promise.all([startServe(), startRegistry()]);
  await pushLayout(registry.host, "library/busybox", "latest", await busyboxLayout());
  program = join(daemon.dir, "client");
  const source = resolve(import.meta.dir, "client.go");
  // No module, no network, no C compiler: the libraries are those of Debian.
  const env = {
    GO111MODULE: "off",
    GOPATH: "/usr/share/gocode",
    GOFLAGS: "",
    CGO_ENABLED: "0",
    GOCACHE: "/var/tmp/ctr-go-cache",
  };
  await mustRun(["go", "build", "-o", program, source], { env, timeoutMs: 300_000 });
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
});

test("40 goroutines pull, run, exec, wait, lease and follow events", async () => {
  const argv = [program, daemon.address, registry.host, "library/busybox:latest", "40"];
  const { code, stdout, stderr } = await run(argv, { timeoutMs: 240_000 });
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "all well\n", stderr: "" });
});
