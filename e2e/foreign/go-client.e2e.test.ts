import { afterAll, beforeAll, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import type { PrivateContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { buildGo } from "../support/go.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** A Go program on containerd's client library, as Debian packages it, against `ctr serve`. */
let daemon: PrivateContainerd;
let registry: PrivateRegistry;
let program: string;

beforeAll(async () => {
  [daemon, registry] = await Promise.all([startServe(), startRegistry()]);
  await pushLayout(registry.host, "library/busybox", "latest", await busyboxLayout());
  program = await buildGo(resolve(import.meta.dir, "client.go"), join(daemon.dir, "client"));
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
