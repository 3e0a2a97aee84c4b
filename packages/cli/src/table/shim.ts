import { declareCommand, type Entry, entry, group } from "../command.ts";
import { bool, int, string, stringSlice } from "../flag.ts";
import { debugFlag, profiles, timedFlags } from "./profile-flags.ts";

/** The flags of the group. */
export const flags = {
  id: string("id of the container whose shim is meant"),
  "shim-address": string("socket of the shim"),
};
const inherits = flags;
const versionFlag = { "api-version": int("version of the shim's task API, 2 or 3", { default: 3 }) };

export const remove = declareCommand("delete", "Delete a task that has ended", {
  inherits,
  description: "takes the id of the task",
});
export const exec = declareCommand("exec", "Start another process in the container of a task", {
  inherits,
  description: "takes the id of the new process",
  flags: () => ({
    stdin: string("FIFO to read the process's input from; made if it is not there"),
    stdout: string("FIFO to write its output to"),
    stderr: string("FIFO to write its errors to"),
    tty: bool("give the process a terminal", { alias: "t" }),
    attach: bool("pass its streams on until it ends", { alias: "a" }),
    env: stringSlice("without effect: the file of --spec has the environment", { alias: "e" }),
    cwd: string("without effect: the file of --spec has the working directory"),
    spec: string("file of the process, as JSON of the runtime specification"),
  }),
});
export const start = declareCommand("start", "Start a task that was created", {
  inherits,
  description: "takes the id of the task",
});
export const state = declareCommand("state", "Print the state of a task's process as JSON", {
  inherits,
  flags: () => ({ "task-id": string("id of the task; that of --id without it", { alias: "t" }), ...versionFlag }),
});
export const shutdown = declareCommand("shutdown", "End a shim that has no task left", {
  inherits,
  flags: () => versionFlag,
});

export const block = declareCommand("block", profiles.block, { inherits, flags: () => debugFlag(0n) });
export const goroutines = declareCommand("goroutines", profiles.goroutines, { inherits, flags: () => debugFlag(2n) });
export const heap = declareCommand("heap", profiles.heap, { inherits, flags: () => debugFlag(0n) });
export const profile = declareCommand("profile", profiles.profile, { inherits, flags: () => timedFlags(30n) });
export const threadcreate = declareCommand("threadcreate", profiles.threadcreate, {
  inherits,
  flags: () => debugFlag(0n),
});
export const trace = declareCommand("trace", profiles.trace, { inherits, flags: () => timedFlags(5n) });

const loadPprof = () => import("../commands/shim/pprof.ts");
const pprof = group(
  { name: "pprof", aliases: [], summary: "Profiles of a shim that was started with debugging on" },
  {
    entries: [
      entry(block, async () => (await loadPprof()).profileCommand("block")),
      entry(goroutines, async () => (await loadPprof()).profileCommand("goroutine")),
      entry(heap, async () => (await loadPprof()).profileCommand("heap")),
      entry(profile, async () => (await loadPprof()).timedCommand("profile")),
      entry(threadcreate, async () => (await loadPprof()).profileCommand("threadcreate")),
      entry(trace, async () => (await loadPprof()).timedCommand("trace")),
    ],
  },
);

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(remove, async () => (await import("../commands/shim/delete.ts")).deleteCommand),
  entry(exec, async () => (await import("../commands/shim/exec.ts")).execCommand),
  entry(start, async () => (await import("../commands/shim/start.ts")).startCommand),
  entry(state, async () => (await import("../commands/shim/state.ts")).stateCommand),
  entry(shutdown, async () => (await import("../commands/shim/shutdown.ts")).shutdownCommand),
  pprof,
];
