const words: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
};

/**
 * What went wrong with a file, in the words every Go tool uses: `open /x: no such file or directory`. A directory opens
 * there and fails to be read, so `open` becomes `read` then; `create` is told as `open`.
 */
export function fileError(call: "open" | "create" | "stat", path: string, cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const failed = call === "create" ? "open" : code === "EISDIR" && call === "open" ? "read" : call;
  return new Error(`${failed} ${path}: ${words[code] ?? code}`, { cause });
}
