import { ContainerdError, type ErrorCode, type ErrorWhere } from "@ctr/api";

/** Class of what the kernel says of a file. */
const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "not_found",
  EEXIST: "already_exists",
  EACCES: "permission_denied",
  EPERM: "permission_denied",
  EROFS: "permission_denied",
  ENOSPC: "resource_exhausted",
  EDQUOT: "resource_exhausted",
  EMFILE: "resource_exhausted",
  ENFILE: "resource_exhausted",
  EIO: "data_loss",
  EBUSY: "failed_precondition",
};

/** An error of the filesystem as the one error class; one that is of it already passes. */
export function diskError(error: unknown, what: string, where: ErrorWhere = {}): ContainerdError {
  if (error instanceof ContainerdError) return error;
  const errno = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = error instanceof Error ? error.message : String(error);
  const fix = errno === "ENOSPC" || errno === "EDQUOT" ? { fix: "make room on the disk" } : {};
  return new ContainerdError({ code: codes[errno] ?? "internal", what, where, why, cause: error, ...fix });
}

/** True for an error of the filesystem with one of these codes. */
export function hasErrno(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && "code" in error && names.includes(String(error.code));
}
