import { inNamespace, openEngineAt } from "./test-tasks.ts";

/** A process of its own that creates and starts a task of the test's store, says so, and ends without a farewell. */
const [dir = "", id = "", ...args] = process.argv.slice(2);
const engine = openEngineAt(dir);
const runtime = process.env["CTR_TEST_RUNTIME"];
engine.addContainer(id, args, runtime === undefined ? {} : { runtime });
await engine.client.create({ containerId: id }, inNamespace);
const { pid } = await engine.client.start({ containerId: id }, inNamespace);
process.stdout.write(`${pid}\n`);
process.kill(process.pid, "SIGKILL");
