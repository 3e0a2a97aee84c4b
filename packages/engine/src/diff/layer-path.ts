import { tarFault } from "./tar-fault.ts";

/** Longest name of a member, in bytes: 10,000 directories deep fit, a megabyte of slashes does not (R12). */
const MAX_NAME_BYTES = 64 * 1024;

/** A member's name, cut in two. */
export interface LayerPath {
  /** The directory, clean, without leading slash; "" for the root. */
  readonly parent: string;
  /** The last part; "" when the name is the root itself. */
  readonly base: string;
}

/** Cleans a name as if it were looked up at `/`: absolute names and `..` end inside the root. */
export function layerPath(name: string): LayerPath {
  if (name.length > MAX_NAME_BYTES) throw tarFault("header field too long");
  if (name.includes("\0")) throw tarFault("invalid tar header");
  const path = isClean(name) ? name : clean(name);
  const slash = path.lastIndexOf("/");
  return slash < 0 ? { parent: "", base: path } : { parent: path.slice(0, slash), base: path.slice(slash + 1) };
}

/** Most names are; the expression costs less than taking them apart. */
function isClean(name: string): boolean {
  return !/(^|\/)(\.{0,2})(\/|$)/.test(name);
}

function clean(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
