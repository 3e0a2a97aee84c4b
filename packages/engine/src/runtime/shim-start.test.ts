import { expect, test } from "bun:test";
import { bootstrapV1 } from "@ctr/api";
import { bootstrapParams } from "./shim-start.ts";

const command = (socket: string) => ({
  ...{ binary: "/bin/shim", namespace: "n", id: "i", bundle: "/b", address: "/a", eventsSocket: "/e", searchPath: [] },
  socket,
  signal: new AbortController().signal,
});
const socketDirOf = (socket: string) =>
  bootstrapV1.BootstrapParams.decode(bootstrapParams(command(socket), undefined)).socketDir;

test("bootstrapParams() has a shim answer beside our other shims, where a socket's path has room for its name", () => {
  expect(socketDirOf("/run/ctr/0123456789ab/s/x")).toBe("/run/ctr/0123456789ab/s");
  expect(socketDirOf(`/${"d".repeat(41)}/x`)).toBe(`/${"d".repeat(41)}`);
  expect(socketDirOf(`/${"d".repeat(42)}/x`)).toBeUndefined();
});

test("bootstrapParams() has no extension where there are no options", () => {
  const { extensions, instanceId, namespace } = bootstrapV1.BootstrapParams.decode(
    bootstrapParams(command("/s/x"), undefined),
  );
  expect({ extensions, instanceId, namespace }).toEqual({ extensions: [], instanceId: "i", namespace: "n" });
});
