import { readFile } from "node:fs/promises";
import { SPEC_TYPE_URL } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { fail, messageOf, wrap } from "../../errors.ts";
import type { run } from "../../table/sandboxes.ts";

const SANDBOXER = "shim";

/** `ctr sandboxes run CONFIG ID`: a record, then the sandbox of it. What fails after the record leaves it, to be removed by name. */
export const runCommand = defineCommand<typeof run>({
  async run({ args, flags, stdout, connect, signal }) {
    const [path, id] = args;
    if (path === undefined || id === undefined || args.length > 2) {
      throw fail("a configuration file and a sandbox id must be given");
    }
    const spec = { typeUrl: SPEC_TYPE_URL, value: await readConfig(path) };
    const client = await connect();
    const sandbox = { id, runtime: { name: flags.runtime }, spec, sandboxer: SANDBOXER };
    await client.sandboxes.create(sandbox, { signal }).catch((error: unknown) => {
      throw wrap("failed to create new sandbox", error);
    });
    const hint = `the record stays: remove it with ctr sandboxes remove ${id}`;
    await client.sandboxes.prepare(sandbox, { signal }).catch((error: unknown) => {
      throw hinted(
        wrap(`failed to create new sandbox: failed to create sandbox with ${SANDBOXER} sandboxer`, error),
        hint,
      );
    });
    await client.sandboxes.start(id, { signal }).catch((error: unknown) => {
      throw hinted(wrap("failed to start", error), hint);
    });
    await stdout.write(`${id}\n`);
  },
});

function hinted(error: Error, hint: string): Error {
  return fail(error.message, hint);
}

/** The file's bytes, once they are known to be JSON. */
async function readConfig(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const why = missing ? `open ${path}: no such file or directory` : messageOf(error);
    throw fail(`failed to read sandbox config: ${why}`);
  });
  try {
    JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw fail(`failed to parse sandbox config: ${messageOf(error)}`, `${path} must be an OCI runtime spec as JSON`);
  }
  return bytes;
}
