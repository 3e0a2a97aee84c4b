import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  bootstrapV1,
  ContainerdError,
  introspectionTypes,
  protobufAny,
  runtimeSandboxV1,
  taskTypes,
  taskV2,
  taskV3,
  toStatus,
} from "@ctr/api";
import { registerService, type ServiceImpl, serveH2c, serveTtrpc } from "@ctr/rpc";

/**
 * A shim without containers, for the forms that the shim on this machine does not have. `FAKE_SHIM` in its environment
 * says how its `start` answers: `text`, `json`, `json-lies` (says version 3, serves 2), `protobuf`, `grpc`: as
 * JSON, and it speaks gRPC, or `sandbox`: as JSON, and it has the sandbox API too. `refuses` is as `protobuf`, and
 * starts nothing. With `FAKE_ALLOW` it says which mounts
 * it does itself.
 */
const args = process.argv.slice(2);
const form = process.env["FAKE_SHIM"] ?? "text";
const flag = (name: string) => args[args.indexOf(`-${name}`) + 1] ?? "";
const socket = join(process.cwd(), "shim.sock");

async function start(): Promise<void> {
  const stdin = await Bun.stdin.bytes();
  if ((form === "protobuf" || form === "refuses") && !isBootstrap(stdin)) {
    process.stderr.write("shim was started through the deprecated API\n");
    process.exit(1);
  }
  if (form === "refuses") {
    process.stderr.write("the fake is out of order\n");
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
  } else {
    const protocol = form === "grpc" ? "grpc" : "ttrpc";
    process.stdout.write(JSON.stringify({ version, address, protocol }));
  }
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
  const tasks = registerService({ ...taskV2.TaskDefinition, fullName: definition.fullName }, impl);
  const services = [
    tasks,
    ...(form === "sandbox" ? [registerService(runtimeSandboxV1.SandboxDefinition, fakeSandbox())] : []),
  ];
  const at = { path: socket, services, toStatus, signal: new AbortController().signal };
  await (form === "grpc" ? serveH2c(at) : serveTtrpc(at));
  process.stdout.write("ready\n");
}

/** What the fake knows of a task. */
interface FakeTask {
  status: taskTypes.Status;
  exitStatus: number;
  readonly exited: PromiseWithResolvers<void>;
}

const exitedAt = { seconds: 1_700_000_000n, nanos: 5 };

/** Tasks that run until they are killed, and exit with 128 and the signal. */
function fakeTask(): ServiceImpl<typeof taskV2.TaskDefinition> {
  const tasks = new Map<string, FakeTask>();
  const { pid } = process;
  const find = (id: string): FakeTask => {
    const found = tasks.get(id);
    if (found !== undefined) return found;
    throw new ContainerdError({ code: "not_found", what: "container not created" });
  };
  const missing = async () => {
    throw new ContainerdError({ code: "unimplemented", what: "not in the fake" });
  };
  return {
    create: async ({ id, bundle, rootfs, checkpoint }) => {
      await Bun.write(
        join(bundle, "created.json"),
        JSON.stringify({ id, bundle, rootfs, checkpoint, restored: filesIn(checkpoint) }),
      );
      tasks.set(id, { status: taskTypes.Status.CREATED, exitStatus: 0, exited: Promise.withResolvers<void>() });
      return { pid };
    },
    start: async ({ id }) => {
      find(id).status = taskTypes.Status.RUNNING;
      return { pid };
    },
    state: async ({ id }) => {
      const { status, exitStatus } = find(id);
      return { id, pid, status, exitStatus, ...(exitStatus > 0 ? { exitedAt } : {}) };
    },
    kill: async ({ id, signal }) => {
      const task = find(id);
      task.status = taskTypes.Status.STOPPED;
      task.exitStatus = 128 + signal;
      task.exited.resolve();
      return {};
    },
    wait: async ({ id }) => {
      const task = find(id);
      await task.exited.promise;
      return { exitStatus: task.exitStatus, exitedAt };
    },
    delete: async ({ id }) => {
      const { exitStatus } = find(id);
      tasks.delete(id);
      return { pid, exitStatus, exitedAt };
    },
    connect: async () => ({ shimPid: pid, taskPid: pid }),
    shutdown: async () => {
      // As every shim: not while it holds a container, nor a sandbox.
      if (tasks.size > 0 || sandboxes.size > 0) return {};
      process.exit(0);
    },
    checkpoint: async ({ path }) => {
      await Bun.write(join(path, "inventory.img"), "fake dump");
      await Bun.write(join(path, "deeper/pages-1.img"), "pages");
      return {};
    },
    ...{ pids: missing, pause: missing, resume: missing, exec: missing, resizePty: missing },
    ...{ closeIO: missing, update: missing, stats: missing },
  };
}

function filesIn(dir: string): readonly string[] {
  return dir === "" ? [] : readdirSync(dir, { recursive: true }).map(String).sort();
}

const sandboxes = new Map<string, { state: string; exitStatus: number; readonly exited: PromiseWithResolvers<void> }>();

/** Sandboxes that run until they are stopped; one is refused by its annotation, and one that is stopped exits with 0. */
function fakeSandbox(): ServiceImpl<typeof runtimeSandboxV1.SandboxDefinition> {
  const createdAt = { seconds: 1_600_000_000n, nanos: 0 };
  const { pid } = process;
  const find = (id: string) => {
    const found = sandboxes.get(id);
    if (found !== undefined) return found;
    throw new ContainerdError({ code: "not_found", what: `sandbox ${id}` });
  };
  return {
    createSandbox: async (request) => {
      if (request.annotations["refuse"] !== undefined) {
        throw new ContainerdError({ code: "failed_precondition", what: "the fake was told to refuse" });
      }
      const { sandboxId, bundlePath, netnsPath, annotations } = request;
      await Bun.write(
        join(bundlePath, "sandbox.json"),
        JSON.stringify({ sandboxId, bundlePath, netnsPath, annotations }),
      );
      sandboxes.set(sandboxId, { state: "SANDBOX_CREATED", exitStatus: 0, exited: Promise.withResolvers<void>() });
      return {};
    },
    startSandbox: async ({ sandboxId }) => {
      find(sandboxId).state = "SANDBOX_READY";
      return { pid, createdAt };
    },
    platform: async ({ sandboxId }) => {
      find(sandboxId);
      return { platform: { os: "linux", architecture: "fake" } };
    },
    stopSandbox: async ({ sandboxId, timeoutSecs }) => {
      const sandbox = find(sandboxId);
      sandbox.state = "SANDBOX_NOTREADY";
      sandbox.exitStatus = timeoutSecs;
      sandbox.exited.resolve();
      return {};
    },
    waitSandbox: async ({ sandboxId }) => {
      const sandbox = find(sandboxId);
      await sandbox.exited.promise;
      return { exitStatus: sandbox.exitStatus, exitedAt };
    },
    sandboxStatus: async ({ sandboxId, verbose }) => {
      const { state } = find(sandboxId);
      const info: Record<string, string> = verbose ? { fake: "yes" } : {};
      return { sandboxId, pid, state, info, createdAt };
    },
    pingSandbox: async () => ({}),
    shutdownSandbox: async ({ sandboxId }) => {
      find(sandboxId).exited.resolve();
      sandboxes.delete(sandboxId);
      return {};
    },
    sandboxMetrics: async ({ sandboxId }) => {
      find(sandboxId);
      return { metrics: { id: sandboxId, timestamp: createdAt } };
    },
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

/** What the shim tells of itself; one that has nothing to tell knows no such flag, as containerd 1.6's. */
function info(): void {
  const allowed = process.env["FAKE_ALLOW"];
  if (allowed === undefined) process.exit(2);
  const annotations = { "containerd.io/runtime-allow-mounts": allowed };
  const told = introspectionTypes.RuntimeInfo.fromPartial({ name: "fake", annotations });
  process.stdout.write(introspectionTypes.RuntimeInfo.encode(told).finish());
}

const verb = args.at(-1);
if (verb === "start") await start();
else if (verb === "delete") deleteTask();
else if (verb === "-info") info();
else await serve();
