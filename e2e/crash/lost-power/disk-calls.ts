import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../../support/process.ts";

/** A system call that changes what is on a disk, or waits for it, as strace saw it succeed. */
export interface DiskCall {
  readonly name: string;
  readonly thread: string;
  /** The text between the parentheses; strings and paths are still in hexadecimal. */
  readonly args: string;
  /** What it returned: a number, and behind a descriptor the path in `<>`. */
  readonly result: string;
  /** Line numbers: of its beginning, and of its end, which differ where threads took turns. */
  readonly began: number;
  readonly ended: number;
}

const CALLS = [
  ...["open", "openat", "openat2", "creat", "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"],
  ...["link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"],
  ...["write", "pwrite64", "writev", "pwritev", "pwritev2", "truncate", "ftruncate", "fallocate"],
  ...["copy_file_range", "sendfile", "splice", "msync", "io_uring_setup", "chmod", "fchmod", "fchmodat"],
  ...["setxattr", "fsetxattr"],
  ...["fsync", "fdatasync", "syncfs", "sync", "sync_file_range"],
];

/** No write of a command is longer. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Runs a command and every process it starts under strace, and returns the calls that succeeded, in the order they
 * ended. The command is the binary as it is shipped: nothing in it knows that it is watched.
 */
export async function recordDiskCalls(argv: readonly string[], dir: string): Promise<readonly DiskCall[]> {
  const trace = join(dir, "trace");
  const watch = ["strace", "-f", "-y", "--seccomp-bpf", "-xx", "-s", String(MAX_BYTES), "-o", trace];
  await mustRun([...watch, "-e", `trace=${CALLS.join(",")}`, "--", ...argv], { cwd: dir });
  const calls = parseTrace(await readFile(trace, "latin1"));
  await rm(trace);
  return calls;
}

function parseTrace(text: string): readonly DiskCall[] {
  const unfinished = new Map<string, { readonly text: string; readonly began: number }>();
  return text.split("\n").flatMap((line, at) => {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const begun = rest.indexOf(" <unfinished ...>");
    if (begun !== -1) {
      unfinished.set(thread, { text: rest.slice(0, begun), began: at });
      return [];
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest)?.[0];
    const before = resumed === undefined ? undefined : unfinished.get(thread);
    const whole = resumed === undefined ? rest : `${before?.text}${rest.slice(resumed.length)}`;
    return callOf(whole, { thread, began: before?.began ?? at, ended: at });
  });
}

function callOf(text: string, where: Pick<DiskCall, "thread" | "began" | "ended">): readonly DiskCall[] {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(") ");
  const result = /^\s*= (\d.*)$/.exec(text.slice(close + 1))?.[1];
  // Signals, ends of processes, and calls that failed.
  if (open === -1 || close === -1 || result === undefined) return [];
  return [{ ...where, name: text.slice(0, open), args: text.slice(open + 1, close), result }];
}
