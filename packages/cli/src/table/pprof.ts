import { declareCommand, type Entry, entry } from "../command.ts";
import { string } from "../flag.ts";
import { debugFlag, profiles, timedFlags } from "./profile-flags.ts";

/** The flags of the group. */
export const flags = {
  "debug-socket": string("socket of the daemon's debug service", { alias: "d", default: "/run/containerd/debug.sock" }),
};
const inherits = flags;

export const block = declareCommand("block", profiles.block, { inherits, flags: () => debugFlag(0n) });
export const goroutines = declareCommand("goroutines", profiles.goroutines, { inherits, flags: () => debugFlag(2n) });
export const heap = declareCommand("heap", profiles.heap, { inherits, flags: () => debugFlag(0n) });
export const profile = declareCommand("profile", profiles.profile, { inherits, flags: () => timedFlags(30n) });
export const threadcreate = declareCommand("threadcreate", profiles.threadcreate, {
  inherits,
  flags: () => debugFlag(0n),
});
export const trace = declareCommand("trace", profiles.trace, { inherits, flags: () => timedFlags(5n) });

const load = () => import("../commands/pprof.ts");

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(block, async () => (await load()).profileCommand("block")),
  entry(goroutines, async () => (await load()).profileCommand("goroutine")),
  entry(heap, async () => (await load()).profileCommand("heap")),
  entry(profile, async () => (await load()).timedCommand("profile")),
  entry(threadcreate, async () => (await load()).profileCommand("threadcreate")),
  entry(trace, async () => (await load()).timedCommand("trace")),
];
