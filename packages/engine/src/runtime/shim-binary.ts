import { accessSync, constants, statSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { ContainerdError } from "@ctr/api";

/** Where shims and runc may be besides PATH: a user's PATH often leaves the administrator's directories out. */
const ADMIN_DIRS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Our own libexec directories: beside the program, then the usual place. */
export function defaultLibexec(): readonly string[] {
  return [join(dirname(process.execPath), "../libexec/ctr"), "/usr/local/libexec/ctr", "/usr/libexec/ctr"];
}

/** PATH for shims and what they run: the caller's absolute entries, ours, then the administrator's. */
export function shimSearchPath(libexec: readonly string[]): readonly string[] {
  // A relative entry would run whatever lies in the current directory, as root.
  const own = (process.env["PATH"] ?? "").split(":").filter((dir) => isAbsolute(dir));
  return [...new Set([...own, ...libexec, ...ADMIN_DIRS])];
}

/**
 * The shim binary of a runtime name: an absolute path as it is, `io.containerd.runc.v2` as `containerd-shim-runc-v2`.
 * `invalid_argument` for a name that is neither, `not_found` when it is not installed. Engine reference: 11.1.
 */
export function resolveShimBinary(runtime: string, searchPath: readonly string[]): string {
  if (isAbsolute(runtime)) {
    if (isExecutable(runtime)) return runtime;
    throw notInstalled(runtime, runtime);
  }
  const binary = shimBinaryName(runtime);
  const found = searchPath.map((dir) => join(dir, binary)).find(isExecutable);
  if (found === undefined) throw notInstalled(runtime, binary);
  return found;
}

/** `containerd-shim-<second last part>-<last part>` of a dotted runtime name. */
export function shimBinaryName(runtime: string): string {
  const parts = runtime.split(".");
  const [kind = "", version = ""] = parts.slice(-2);
  if (parts.length < 2 || parts[0] === "" || kind === "" || version === "" || runtime.includes("/")) {
    throw new ContainerdError({
      code: "invalid_argument",
      what: `invalid runtime name ${runtime}`,
      why: "a runtime is named either like `io.containerd.runc.v2` or by a full path to its binary",
    });
  }
  return `containerd-shim-${kind}-${version}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not ours to run: for a search both mean the next directory.
    return false;
  }
}

function notInstalled(runtime: string, binary: string): ContainerdError {
  return new ContainerdError({
    code: "not_found",
    what: `runtime "${runtime}" binary not installed "${binary}"`,
    why: "file does not exist",
    fix: "install the shim (Debian: the containerd package has containerd-shim-runc-v2), or put it into /usr/local/libexec/ctr",
  });
}
