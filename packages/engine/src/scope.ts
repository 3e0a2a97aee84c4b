import { ContainerdError, LEASE_HEADER, NAMESPACE_HEADER } from "@ctr/api";
import type { CallContext } from "@ctr/rpc";

/** What the headers of a call say. */
export interface Scope {
  readonly namespace: string;
  /** The lease that keeps what the call creates; whether it exists is checked by the write. */
  readonly lease: string | undefined;
}

/** The namespace and lease of a call. `failed_precondition` without a namespace, `invalid_argument` for a bad one. */
export function scopeOf(context: CallContext): Scope {
  const namespace = textHeader(context, NAMESPACE_HEADER);
  if (namespace === undefined || namespace === "") {
    throw new ContainerdError({ code: "failed_precondition", what: "namespace is required" });
  }
  return { namespace: checkIdentifier(namespace, "namespace"), lease: textHeader(context, LEASE_HEADER) || undefined };
}

function textHeader(context: CallContext, name: string): string | undefined {
  const value = context.metadata[name];
  return typeof value === "string" ? value : undefined;
}

const MAX_IDENTIFIER = 76;

/** The rule for namespaces, container, task, exec and sandbox ids; `invalid_argument` when it is broken. */
export function checkIdentifier(text: string, what: string): string {
  const why =
    text === ""
      ? "must not be empty"
      : text.length > MAX_IDENTIFIER
        ? `is longer than ${MAX_IDENTIFIER} characters`
        : isIdentifier(text)
          ? undefined
          : "must be letters and digits, with single . _ - between them";
  if (why === undefined) return text;
  throw new ContainerdError({ code: "invalid_argument", what: `${what} ${JSON.stringify(text)} ${why}` });
}

/** Letters and digits, with single `.`, `_` or `-` between them. No expression: a short command has no other to compile. */
function isIdentifier(text: string): boolean {
  let after = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const isAlphanumeric = (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
    if (!isAlphanumeric && !(after && (code === 45 || code === 46 || code === 95))) return false;
    after = isAlphanumeric;
  }
  return after;
}
