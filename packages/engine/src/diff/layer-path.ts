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
  // As `tar .` writes them.
  const short = name.startsWith("./") ? name.slice(2) : name;
  const path = isClean(short) ? short : clean(short);
  const slash = path.lastIndexOf("/");
  return slash < 0 ? { parent: "", base: path } : { parent: path.slice(0, slash), base: path.slice(slash + 1) };
}

const SLASH = 47;
const DOT = 46;

/** Most names are; to look costs less than taking them apart. */
function isClean(name: string): boolean {
  let dots = 0;
  for (let at = 0, start = 0; at <= name.length; at++) {
    const char = at < name.length ? name.charCodeAt(at) : SLASH;
    if (char === DOT) dots++;
    if (char !== SLASH) continue;
    const length = at - start;
    // Empty, one dot or two.
    if (length === dots && length <= 2) return false;
    start = at + 1;
    dots = 0;
  }
  return true;
}

function clean(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
