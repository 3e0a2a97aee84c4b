import { refuse } from "./option.ts";

/** Descriptors and roots of a process: a way out of the container when runc leaks one (CVE-2024-21626). */
const processDoor = /^\/proc\/(self|thread-self|\d+)(\/task\/\d+)?\/(fd|cwd|root)$/;

/** The working directory an image asks for. Refuses one that leads through a process's own descriptors (R20). */
export function imageDirectory(text: string): string {
  if (!leadsThroughDoor(text)) return text || "/";
  throw refuse(`invalid working directory ${JSON.stringify(text)}`, "name a directory of the image with --cwd");
}

/** Looked at part by part: behind a door `..` leads to somewhere else than back. */
function leadsThroughDoor(path: string): boolean {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") kept.pop();
    else if (part !== "" && part !== ".") kept.push(part);
    if (processDoor.test(`/${kept.join("/")}`)) return true;
  }
  return false;
}
