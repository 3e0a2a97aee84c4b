import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, quietFlag, string } from "../flag.ts";

const detach = { detach: bool("return once it is started", { alias: "d" }) };
const logUri = { "log-uri": string("where the shim writes the output, as file:///path or binary:///path") };
const fifoDir = { "fifo-dir": string("directory for the FIFOs of the streams") };
const tty = { tty: bool("give the process a terminal", { alias: "t" }) };

export const attach = declareCommand("attach", "Connect to the streams of a running task", { usage: "CONTAINER" });
export const checkpoint = declareCommand("checkpoint", "Dump a running task with CRIU", {
  usage: "[flags] CONTAINER",
  flags: () => ({
    exit: bool("end the task after the dump"),
    "image-path": string("directory on the daemon's machine to keep the dump in, instead of an image"),
    "work-path": string("directory for CRIU's logs"),
  }),
});
export const remove = declareCommand("delete", "Delete tasks that have stopped", {
  aliases: ["del", "remove", "rm"],
  usage: "CONTAINER [CONTAINER, ...]",
  flags: () => ({
    force: bool("kill a running task first", { alias: "f" }),
    "exec-id": string("delete this exec process instead"),
  }),
});
export const exec = declareCommand("exec", "Run a further process in a running container", {
  usage: "[flags] CONTAINER CMD [ARG...]",
  flags: () => ({
    cwd: string("working directory of the process"),
    ...tty,
    ...detach,
    "exec-id": string("id for the process, unique in its container", { required: true }),
    ...fifoDir,
    ...logUri,
    user: string("user of the process, as name or uid, with :group if wanted"),
  }),
  ownArgs: true,
});
export const list = declareCommand("list", "List tasks", {
  aliases: ["ls"],
  usage: "[flags]",
  flags: () => quietFlag("task ids"),
});
export const kill = declareCommand("kill", "Send a signal to a task", {
  usage: "[flags] CONTAINER",
  flags: () => ({
    signal: string("signal by name or number; the image's stop signal when empty", { alias: "s" }),
    "exec-id": string("send it to this exec process"),
    all: bool("send it to every process of the task", { alias: "a" }),
  }),
});
export const metrics = declareCommand("metrics", "Show what a task uses", {
  aliases: ["metric"],
  usage: "CONTAINER",
  flags: () => ({ format: string("table or json", { default: "table" }) }),
});
export const pause = declareCommand("pause", "Freeze a task", { usage: "CONTAINER" });
export const ps = declareCommand("ps", "List the processes of a task", { usage: "CONTAINER" });
export const resume = declareCommand("resume", "Thaw a paused task", { usage: "CONTAINER" });
export const start = declareCommand("start", "Start a container that was created", {
  usage: "CONTAINER",
  flags: () => ({
    "no-pivot": bool("do not use pivot_root"),
    "null-io": bool("throw all output away"),
    ...logUri,
    ...fifoDir,
    "pid-file": string("file to write the process id to"),
    ...detach,
  }),
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(attach, async () => (await import("../commands/tasks/attach.ts")).attachCommand),
  entry(checkpoint, async () => (await import("../commands/tasks/checkpoint.ts")).checkpointCommand),
  entry(remove, async () => (await import("../commands/tasks/remove.ts")).removeCommand),
  entry(exec, async () => (await import("../commands/tasks/exec.ts")).execCommand),
  entry(list, async () => (await import("../commands/tasks/list.ts")).listCommand),
  entry(kill, async () => (await import("../commands/tasks/kill.ts")).killCommand),
  entry(metrics, async () => (await import("../commands/tasks/metrics.ts")).metricsCommand),
  entry(pause, async () => (await import("../commands/tasks/pause.ts")).pauseCommand),
  entry(ps, async () => (await import("../commands/tasks/ps.ts")).psCommand),
  entry(resume, async () => (await import("../commands/tasks/resume.ts")).resumeCommand),
  entry(start, async () => (await import("../commands/tasks/start.ts")).startCommand),
];
