import { ContainerdError } from "@ctr/api";
import { printable } from "@ctr/sys";

/** What a member's name asks for. Image-spec, layer.md "Whiteouts". */
export type WhiteoutKind =
  | { readonly kind: "none" }
  /** The directory shows nothing of the layers below. */
  | { readonly kind: "opaque" }
  /** `name` of the layers below is gone. */
  | { readonly kind: "removed"; readonly name: string };

export const WHITEOUT_PREFIX = ".wh.";
export const OPAQUE_NAME = ".wh..wh..opq";

const none: WhiteoutKind = { kind: "none" };

/** Reads the last part of a name. Throws for `.wh.`, `.wh..` and `.wh...`, which would reach out of the directory. */
export function whiteoutOf(base: string): WhiteoutKind {
  if (!base.startsWith(WHITEOUT_PREFIX)) return none;
  if (base === OPAQUE_NAME) return { kind: "opaque" };
  const name = base.slice(WHITEOUT_PREFIX.length);
  if (name !== "" && name !== "." && name !== "..") return { kind: "removed", name };
  throw new ContainerdError({
    code: "unknown",
    what: `invalid whiteout name: ${printable(base)}`,
    why: "invalid archive",
  });
}
