import { check, type TreeLibc } from "./tree-calls.ts";

/** An extended attribute: its full name as a byte string, and its bytes. */
export interface Xattr {
  readonly name: string;
  readonly value: Uint8Array;
}

const ENODATA = 61;
const EOPNOTSUPP = 95;
const EPERM = 1;
/** XATTR_LIST_MAX and XATTR_SIZE_MAX, linux/limits.h. */
const MAX_BYTES = 65536;

/** The names that are set on `path`, whose last part is not followed; none where there are no such things. */
export function listXattrs(libc: TreeLibc, path: string): readonly string[] {
  const { bytes, pointer } = buffer(libc);
  const length = libc.try("llistxattr", libc.text(path), pointer, MAX_BYTES);
  if (length === -EOPNOTSUPP || length === -EPERM) return [];
  check("listxattr", length, path);
  return bytes
    .toString("latin1", 0, length)
    .split("\0")
    .filter((name) => name !== "");
}

/** One attribute; `undefined` where it is not set. */
export function readXattr(libc: TreeLibc, path: string, name: string): Xattr | undefined {
  const { bytes, pointer } = buffer(libc);
  const length = libc.try("lgetxattr", libc.text(path), libc.text(name, 1), pointer, MAX_BYTES);
  if (length === -ENODATA || length === -EOPNOTSUPP) return undefined;
  check("getxattr", length, name);
  return { name, value: Uint8Array.from(bytes.subarray(0, length)) };
}

let shared: ReturnType<TreeLibc["fixed"]> | undefined;

function buffer(libc: TreeLibc): ReturnType<TreeLibc["fixed"]> {
  shared ??= libc.fixed(MAX_BYTES);
  return shared;
}
