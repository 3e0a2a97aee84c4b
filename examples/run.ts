import { connect } from "@ctr/client";

const image = process.argv[2] ?? "docker.io/library/busybox:latest";

await using client = await connect();
await client.images.pull(image);
await using task = await client.run({ image, id: "hello", args: ["echo", "hi from a container"] });
for await (const chunk of task.stdout) process.stdout.write(chunk);
process.exitCode = (await task.wait()).exitCode;
