import { rename, writeFile } from "node:fs/promises";

/** Writes a pid, decimal and without newline, all at once: a reader never sees half of it. */
export async function writePidFile(path: string, pid: number): Promise<void> {
  const at = path.lastIndexOf("/") + 1;
  const temporary = `${path.slice(0, at)}.${path.slice(at)}.${process.pid}`;
  await writeFile(temporary, `${pid}`);
  await rename(temporary, path);
}
