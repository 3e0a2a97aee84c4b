import { fail } from "./errors.ts";

/** A failure of CRIU's, with what it needs; any other as it is. */
export function explainCriu(error: unknown): unknown {
  if (!(error instanceof Error) || !/criu/i.test(error.message)) return error;
  return fail(
    error.message,
    "checkpoints need criu on the daemon's machine (Debian: apt install criu) and a kernel that lets it",
  );
}
