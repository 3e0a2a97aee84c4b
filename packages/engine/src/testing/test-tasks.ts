import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { errorFromStatus, NAMESPACE_HEADER, tasksV1, toStatus } from "@ctr/api";
import { type CallOptions, createClient, openInProcessChannel, registerService, type ServiceClient } from "@ctr/rpc";
import { TaskManager } from "../runtime/task-manager.ts";
import type { TaskContainer } from "../runtime/task-runtime.ts";
import { tasksService } from "../services/tasks.ts";
import { openStore, type Store } from "../store/store.ts";

/** Whether real containers can be run here: as root, with runc, its shim and a static busybox. */
export function canRunContainers(): boolean {
  const tools = ["runc", "containerd-shim-runc-v2"];
  return process.getuid?.() === 0 && existsSync("/bin/busybox") && tools.every((tool) => Bun.which(tool) !== null);
}

/** A namespace nobody else uses: the shim's sockets are in a directory of the machine. */
export const TEST_NAMESPACE = "test";

/** The options of a call in the test's namespace. */
export const inNamespace: CallOptions = {
  signal: new AbortController().signal,
  metadata: { [NAMESPACE_HEADER]: TEST_NAMESPACE },
};

/** The spec of a container that runs `args` on `rootfs`, and nothing more than it has to have. */
export function testSpec(rootfs: string, args: readonly string[], id: string): object {
  const mounts = [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/dev", type: "tmpfs", source: "tmpfs" },
  ];
  const namespaces = ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type }));
  // The same for whatever process makes the container: a cgroup that one of them left is the next one's.
  const cgroup = rootfs.startsWith("/") ? basename(dirname(rootfs)) : process.pid;
  return {
    ociVersion: "1.0.2",
    process: { user: { uid: 0, gid: 0 }, args, env: ["PATH=/bin"], cwd: "/" },
    root: { path: rootfs },
    mounts,
    linux: { namespaces, cgroupsPath: `/ctr-test/${cgroup}-${id}`, resources: {} },
  };
}

/** An engine with tasks, and containers by name. */
export interface TestEngine extends AsyncDisposable {
  readonly store: Store;
  readonly dir: string;
  readonly manager: TaskManager;
  readonly containers: Map<string, TaskContainer>;
  readonly client: ServiceClient<typeof tasksV1.TasksDefinition>;
  /** Adds a container that runs `args` in busybox. */
  addContainer(id: string, args: readonly string[], over?: Partial<TaskContainer>): void;
}

export interface TestTasks extends TestEngine {
  /** Another engine on the same store. */
  openAnother(): TestEngine;
}

/** A store in a directory of its own, and an engine on it. Disposing ends what still runs and deletes everything. */
export function openTestTasks(options: EngineOptions = {}): TestTasks {
  const dir = mkdtempSync(join(tmpdir(), "ctr-tasks-"));
  makeRootfs(dir);
  const first = openEngineAt(dir, options);
  const others: TestEngine[] = [];
  return {
    ...first,
    openAnother() {
      const other = openEngineAt(dir, { ...options, containers: first.containers });
      others.push(other);
      return other;
    },
    async [Symbol.asyncDispose]() {
      await endAll(first);
      for (const engine of [...others, first]) await engine[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

interface EngineOptions {
  readonly libexec?: readonly string[];
  readonly containers?: Map<string, TaskContainer>;
}

/** An engine on the store of a test's directory, in this process. */
export function openEngineAt(dir: string, { containers = new Map(), ...options }: EngineOptions = {}): TestEngine {
  const store = openStore(join(dir, "root"), { stateParent: join(dir, "run") });
  const manager = new TaskManager({ store, containers: (_tx, _namespace, id) => containers.get(id), ...options });
  const services = [registerService(tasksV1.TasksDefinition, tasksService(manager, store))];
  const channel = openInProcessChannel({ services, toStatus, errorFrom: errorFromStatus });
  return {
    ...{ store, dir, manager, containers },
    client: createClient(tasksV1.TasksDefinition, channel),
    addContainer(id, args, over = {}) {
      const value = new TextEncoder().encode(JSON.stringify(testSpec(join(dir, "rootfs"), args, id)));
      const spec = { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value };
      containers.set(id, { runtime: "io.containerd.runc.v2", runtimeOptions: undefined, spec, ...over });
    },
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]();
      store[Symbol.dispose]();
    },
  };
}

/** Tasks that a failed test left behind. */
async function endAll({ client, manager }: TestEngine): Promise<void> {
  await manager.reconcile(inNamespace);
  const { tasks } = await client.list({}, inNamespace);
  for (const { id } of tasks) {
    const gone = client.wait({ containerId: id }, inNamespace);
    await client.kill({ containerId: id, signal: 9, all: true }, inNamespace).catch(() => undefined);
    await gone.catch(() => undefined);
    await client.delete({ containerId: id }, inNamespace).catch(() => undefined);
  }
}

function makeRootfs(dir: string): void {
  const rootfs = join(dir, "rootfs");
  for (const name of ["bin", "proc", "dev", "tmp"]) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
  for (const name of ["sh", "sleep", "true", "cat", "echo"]) symlinkSync("busybox", join(rootfs, "bin", name));
}
