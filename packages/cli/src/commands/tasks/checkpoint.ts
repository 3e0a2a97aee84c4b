import { encodeAny } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { explainCriu } from "../../criu.ts";
import type { checkpoint } from "../../table/tasks.ts";
import { containerArgument, getTask } from "./task.ts";

/** `ctr tasks checkpoint ID`: a dump by CRIU, kept as an image whose name is printed, or in a directory of the daemon's. */
export const checkpointCommand = defineCommand<typeof checkpoint>({
  async run({ args, flags, stdout, connect, signal }) {
    const id = containerArgument(args[0]);
    const client = await connect();
    await getTask(client, id, signal);
    const { exit, imagePath, workPath } = flags;
    const options = encodeAny("containerd.runc.v1.CheckpointOptions", { exit, imagePath, workPath });
    const name = `containerd.io/checkpoint/${id}:${localTime(new Date())}`;
    const image = await client.tasks.checkpointImage(id, { options, name, signal }).catch((error: unknown) => {
      throw explainCriu(error);
    });
    if (image !== undefined) await stdout.write(`${image.name}\n`);
  },
});

/** `MM-DD-YYYY-HH:MM:SS`. */
function localTime(now: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const date = [two(now.getMonth() + 1), two(now.getDate()), String(now.getFullYear())];
  return `${date.join("-")}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(":")}`;
}
