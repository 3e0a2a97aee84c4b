import { ContainerdError } from "@ctr/api";

/** What a tool of the system is to do. */
export interface ToolCall {
  readonly argv: readonly string[];
  /** Handed on as descriptor 3. */
  readonly fd?: number;
  readonly signal: AbortSignal;
}

/** Runs a tool of the system that must succeed, and gives what it printed. `failed_precondition` where it is not installed. */
export async function runTool({ argv, fd, signal }: ToolCall): Promise<string> {
  const [name = ""] = argv;
  const env = { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  if (Bun.which(name, { PATH: env.PATH }) === null) {
    throw new ContainerdError({
      code: "failed_precondition",
      what: `cannot run ${name}`,
      why: "it is not installed",
      fix: `install the package that has ${name}`,
    });
  }
  const child = Bun.spawn([...argv], {
    env,
    stdio: ["ignore", "pipe", "pipe", ...(fd === undefined ? [] : [fd])],
    signal,
  });
  const [status, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  signal.throwIfAborted();
  if (status === 0) return stdout;
  const why = stderr.trim().split("\n").at(-1) || `it ended with ${status}`;
  throw new ContainerdError({ code: "internal", what: `${name} failed`, why });
}
