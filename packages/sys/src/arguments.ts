/** Fields of /proc/PID/stat after the name in parentheses, counted from 0: where the arguments start; proc(5). */
const ARGUMENTS_START_FIELD = 45;

/**
 * Masks `secret` where an argument of this process ends in it, in the kernel's view: `ps` and /proc/PID/cmdline show
 * asterisks from now on. The runtime's own copy of the arguments stays as it is.
 */
export function hideArgument(secret: string): void {
  const hidden = Buffer.from(secret);
  if (hidden.byteLength === 0) return;
  try {
    overwrite(hidden);
  } catch {
    // No /proc, or a kernel that lets nobody write there: the command can do its work all the same.
  }
}

function overwrite(secret: Buffer): void {
  const { closeSync, openSync, readFileSync, writeSync } = process.getBuiltinModule("node:fs");
  const stat = readFileSync("/proc/self/stat", "latin1");
  const start = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[ARGUMENTS_START_FIELD]);
  const bytes = readFileSync("/proc/self/cmdline");
  // An argument ends in a NUL.
  const wanted = Buffer.concat([secret, Buffer.alloc(1)]);
  const memory = openSync("/proc/self/mem", "r+");
  try {
    for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
      writeSync(memory, Buffer.alloc(secret.byteLength, "*"), 0, secret.byteLength, start + at);
    }
  } finally {
    closeSync(memory);
  }
}
