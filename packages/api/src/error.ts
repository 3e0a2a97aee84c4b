/** gRPC's code names in snake case; what every decision about an error is made by. */
export type ErrorCode =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** The words that close a message of this class, as containerd and the Go tools print them; "" where they print none. */
export const classWords: Readonly<Record<ErrorCode, string>> = {
  cancelled: "context canceled",
  unknown: "",
  invalid_argument: "invalid argument",
  deadline_exceeded: "context deadline exceeded",
  not_found: "not found",
  already_exists: "already exists",
  permission_denied: "permission denied",
  resource_exhausted: "resource exhausted",
  failed_precondition: "failed precondition",
  aborted: "aborted",
  out_of_range: "out of range",
  unimplemented: "not implemented",
  internal: "internal",
  unavailable: "unavailable",
  data_loss: "data loss",
  unauthenticated: "unauthenticated",
};

/** Ids, paths, hosts: which thing the error is about. `undefined` entries are left out of the message. */
export type ErrorWhere = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

export interface ErrorParts {
  readonly code: ErrorCode;
  /** The action that failed: `cannot commit blob`. */
  readonly what: string;
  readonly where?: ErrorWhere;
  /** State, then wanted state: `got 41 bytes, expected 42`. */
  readonly why?: string;
  /** What the user can do; printed as a hint, never sent over the wire. */
  readonly fix?: string;
  readonly cause?: unknown;
}

/**
 * The one error class. Prints as `what (key value, …): why`; lower case, no full stop, never a secret. An error that
 * came over the wire has the daemon's whole text as `what` and nothing else.
 */
export class ContainerdError extends Error {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: ErrorWhere;
  readonly why: string;
  readonly fix: string | undefined;

  constructor(parts: ErrorParts) {
    super(formatError(parts), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = "ContainerdError";
    this.code = parts.code;
    this.what = parts.what;
    this.where = parts.where ?? {};
    this.why = parts.why ?? "";
    this.fix = parts.fix;
  }
}

function formatError(parts: ErrorParts): string {
  const where = Object.entries(parts.where ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
  const text = parts.what + (where === "" ? "" : ` (${where})`) + (parts.why ? `: ${parts.why}` : "");
  // Whoever typed a password into a reference knows it; whoever reads the log does not.
  return text.includes("@") ? withoutUsers(text) : text;
}

/** Expressions are made where they are used: every program loads this file. */
function withoutUsers(text: string): string {
  const urlUser = /(?<=[a-z][a-z0-9+.-]*:\/\/)[^\s"'`/]*@/gi;
  // `user:password@` of a reference that is written like a URL. Where a digest follows the `@` there is no slash.
  const referenceUser = /(?<![^\s"'`(])[^\s"'`/@]*:[^\s"'`/]*@(?=[^\s"'`/@]+\/)/g;
  return text.replace(urlUser, "").replace(referenceUser, "");
}

/** True for a `ContainerdError` of one of `codes`. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is ContainerdError {
  return error instanceof ContainerdError && codes.includes(error.code);
}
