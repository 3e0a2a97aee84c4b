/** A directory for this command alone, gone with what is in it when disposed of. In `parent`, or where temporary files go. */
export async function openScratch(parent?: string): Promise<{ readonly dir: string } & AsyncDisposable> {
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const dir = await mkdtemp(`${parent ?? tmpdir()}/.build-`);
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}
