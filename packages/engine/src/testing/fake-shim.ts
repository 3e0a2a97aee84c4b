import { spawn } from "node:child_process";
import { join } from "node:path";
import { bootstrapV1, ContainerdError, protobufAny, taskTypes, taskV2, taskV3, toStatus } from "@ctr/api";
import { registerService, type ServiceImpl, serveTtrpc } from "@ctr/rpc";

/**
 * A shim without containers, for the forms that the shim on this machine does not have. `FAKE_SHIM` in its environment
 * says how its `start` answers: `text`, `json`, `json-lies` (says version 3, serves 2), `protobuf`.
 */
const args = process.argv.slice(2);
const form = process.env["FAKE_SHIM"] ?? "text";
const flag = (name: string) => args[args.indexOf(`-${name}`) + 1] ?? "";
const socket = join(process.cwd(), "shim.sock");

async function start(): Promise<void> {
  const stdin = await Bun.stdin.bytes();
  if (form === "protobuf" && !isBootstrap(stdin)) {
    process.stderr.write("shim was started through the deprecated API\n");
    process.exit(1);
  }
  if (form !== "protobuf" && stdin.byteLength > 0) protobufAny.Any.decode(stdin);
  await Bun.write("stdin.bin", stdin);
  const child = spawn(process.execPath, [import.meta.path, "serve"], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const address = `unix://${socket}`;
  const version = 3;
  if (form === "text") process.stdout.write(address);
  else if (form === "protobuf") {
    const result = bootstrapV1.BootstrapResult.fromPartial({ version, address, protocol: "ttrpc" });
    process.stdout.write(bootstrapV1.BootstrapResult.encode(result).finish());
  } else process.stdout.write(JSON.stringify({ version, address, protocol: "ttrpc" }));
  process.exit(0);
}

function isBootstrap(stdin: Uint8Array): boolean {
  try {
    const params = bootstrapV1.BootstrapParams.decode(stdin);
    return params.instanceId === flag("id") && params.namespace === flag("namespace");
  } catch {
    return false;
  }
}

async function serve(): Promise<void> {
  const impl = fakeTask();
  const definition = form === "text" || form === "json-lies" ? taskV2.TaskDefinition : taskV3.TaskDefinition;
  // The versions differ in nothing but the name of the service.
  const services = [registerService({ ...taskV2.TaskDefinition, fullName: definition.fullName }, impl)];
  await serveTtrpc({ path: socket, services, toStatus, signal: new AbortController().signal });
  process.stdout.write("ready\n");
}

/** One task that runs until it is killed, and exits with 128 and the signal. */
function fakeTask(): ServiceImpl<typeof taskV2.TaskDefinition> {
  const exitedAt = { seconds: 1_700_000_000n, nanos: 5 };
  const pid = process.pid;
  let status: taskTypes.Status = taskTypes.Status.UNKNOWN;
  let exitStatus = 0;
  let onExit = () => {};
  const exited = new Promise<void>((resolve) => {
    onExit = resolve;
  });
  const missing = async () => {
    throw new ContainerdError({ code: "unimplemented", what: "not in the fake" });
  };
  return {
    create: async () => {
      status = taskTypes.Status.CREATED;
      return { pid };
    },
    start: async () => {
      status = taskTypes.Status.RUNNING;
      return { pid };
    },
    state: async ({ id }) => ({ id, pid, status, exitStatus, ...(exitStatus > 0 ? { exitedAt } : {}) }),
    kill: async ({ signal }) => {
      status = taskTypes.Status.STOPPED;
      exitStatus = 128 + signal;
      onExit();
      return {};
    },
    wait: async () => {
      await exited;
      return { exitStatus, exitedAt };
    },
    delete: async () => ({ pid, exitStatus, exitedAt }),
    connect: async () => ({ shimPid: pid, taskPid: pid }),
    shutdown: async () => {
      process.exit(0);
    },
    ...{ pids: missing, pause: missing, resume: missing, checkpoint: missing, exec: missing, resizePty: missing },
    ...{ closeIO: missing, update: missing, stats: missing },
  };
}

function deleteTask(): void {
  const response = taskV2.DeleteResponse.fromPartial({
    pid: 1,
    exitStatus: 137,
    exitedAt: { seconds: 1_700_000_001n },
  });
  process.stdout.write(taskV2.DeleteResponse.encode(response).finish());
}

const verb = args.at(-1);
if (verb === "start") await start();
else if (verb === "delete") deleteTask();
else await serve();
