import { expect, test } from "bun:test";
import type { Globals } from "./command.ts";
import { chooseEngine } from "./connect.ts";

const DEFAULT = "/run/containerd/containerd.sock";
const DATABASE = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db";

test.each([
  ["a socket that was given, also when it is not there", "/x.sock", true, [], "socket /x.sock"],
  ["the default socket when it was given", DEFAULT, true, [], `socket ${DEFAULT}`],
  ["the embedded engine when it was given", "embedded", true, [DEFAULT], "embedded embedded"],
  ["the root that was given", "embedded:///some/root", true, [DEFAULT], "embedded embedded:///some/root"],
  ["containerd where its socket is", DEFAULT, false, [DEFAULT], `socket ${DEFAULT}`],
  ["containerd where it was at home, running or not", DEFAULT, false, [DATABASE], `socket ${DEFAULT}`],
  ["the embedded engine everywhere else", DEFAULT, false, [], "embedded embedded"],
])("chooseEngine() takes %s", (_what, address, addressGiven, files, expected) => {
  const globals: Globals = {
    address,
    addressGiven,
    debug: false,
    namespace: "default",
    timeout: 0n,
    connectTimeout: 0n,
  };
  const choice = chooseEngine(globals, (path) => files.includes(path));
  expect(`${choice.kind} ${choice.address}`).toBe(expected);
});
