import { scrubbedEnvironment } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { ExitError, fail } from "../../errors.ts";
import type { edit } from "../../table/content.ts";

/** `ctr content edit DIGEST`: the blob through an editor, the result stored as a new blob whose digest is printed. */
export const editCommand = defineCommand<typeof edit>({
  async run({ args: [text], flags, env, stdout, connect, signal }) {
    if (flags.validate !== "") throw fail("validating the edit result not supported");
    const digest = digestArgument(text);
    if (flags.editor === "") throw fail("editor is required", "name one with --editor or in EDITOR");
    const client = await connect();
    await using file = await openTemporary(env["XDG_RUNTIME_DIR"]);
    await using blob = await client.content.readerAt(digest, { signal });
    const sink = Bun.file(file.path).writer();
    for await (const chunk of blob.stream({ offset: 0n, length: blob.size }, { signal })) {
      sink.write(chunk);
      await sink.flush();
    }
    await sink.end();
    await runEditor(`${flags.editor} ${file.path}`);
    // Opened again by name: editors like to put a new file in the old one's place.
    await using writer = await client.content.writer(`edit-${digest}`, { signal });
    if (writer.offset > 0n) await writer.truncate(0n, { signal });
    for await (const chunk of Bun.file(file.path).stream()) await writer.write(chunk, { signal });
    await stdout.write(`${await writer.commit({}, { signal })}\n`);
  },
});

async function openTemporary(parent = ""): Promise<{ readonly path: string } & AsyncDisposable> {
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const directory = await mkdtemp(`${parent === "" ? tmpdir() : parent}/edit-`);
  return {
    path: `${directory}/edit`,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

async function runEditor(command: string): Promise<void> {
  const env = scrubbedEnvironment();
  const child = Bun.spawn(["sh", "-c", command], { env, stdio: ["inherit", "inherit", "inherit"] });
  const code = await child.exited;
  if (child.signalCode) throw new ExitError(`signal: ${child.signalCode}`, 1);
  if (code !== 0) throw new ExitError(`exit status ${code}`, 1);
}
