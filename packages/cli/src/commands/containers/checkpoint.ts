import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { type CommandContext, defineCommand } from "../../command.ts";
import { explainCriu } from "../../criu.ts";
import { fail, messageOf } from "../../errors.ts";
import type { checkpoint } from "../../table/containers.ts";

type Context = CommandContext<(typeof checkpoint)["flags"]>;

/** `ctr containers checkpoint CONTAINER REF`: what a container is, as an image. Its task stands still meanwhile. */
export const checkpointCommand = defineCommand<typeof checkpoint>({
  async run(context) {
    const { args, flags, connect, signal } = context;
    const [id = "", name = ""] = args;
    if (id === "") throw fail("container id must be provided");
    if (name === "") throw fail("ref must be provided");
    const client = await connect();
    const container = await client.containers.get(id, { signal });
    await using _still = await pausing(context, client, id);
    const { rw, image, task } = flags;
    await client.containers.checkpoint(container, { name, rw, image, task, signal }).catch((error: unknown) => {
      throw explainCriu(error);
    });
  },
});

/** A task that is there does not run on until this is disposed of. */
async function pausing({ stdout, signal }: Context, client: Client, id: string): Promise<AsyncDisposable> {
  try {
    await client.tasks.get(id, { signal });
  } catch (error) {
    if (hasCode(error, "not_found")) return { async [Symbol.asyncDispose]() {} };
    throw error;
  }
  await client.tasks.pause(id, { signal });
  return {
    // Without the signal, which may have fired: the task is not to stay as it is.
    async [Symbol.asyncDispose]() {
      await client.tasks.resume(id).catch((error: unknown) => {
        return stdout.write(`error resuming task: ${messageOf(error)}\n`);
      });
    },
  };
}
