import { ContainerdError } from "@ctr/api";

/** What is wrong with a layer's tar, in the words of Go's reader; containerd gives such errors no class. */
export function tarFault(why: string, cause?: unknown): ContainerdError {
  return new ContainerdError({ code: "unknown", what: "archive/tar", why, ...(cause === undefined ? {} : { cause }) });
}
