import { ContainerdError, type tasksV1 } from "@ctr/api";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import { parseFilters, textField } from "../metadata/filters.ts";
import type { ProcessKey, TaskManager } from "../runtime/task-manager.ts";
import { checkIdentifier, scopeOf } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { Store } from "../store/store.ts";
import { checkpointPath, restoreOf } from "./task-checkpoint.ts";

interface ProcessRequest {
  readonly containerId: string;
  readonly execId?: string;
}

/** containerd.services.tasks.v1.Tasks over the shims of a store. */
export function tasksService(tasks: TaskManager, store: Store): ServiceImpl<typeof tasksV1.TasksDefinition> {
  return {
    async create(req, context) {
      const scope = scopeOf(context);
      const { namespace } = scope;
      const { containerId, rootfs, stdin, stdout, stderr, terminal, options, runtimePath } = req;
      const restore = restoreOf(req.checkpoint, async (dump, dir) => {
        const { extractDump } = await import("../runtime/checkpoint-content.ts");
        await extractDump({ store, scope }, dump, { dir, signal: context.signal });
      });
      const endpoint = { address: req.taskApiAddress, version: req.taskApiVersion };
      const task = { rootfs, stdin, stdout, stderr, terminal, options, runtimePath, restore, endpoint };
      const pid = await tasks.create({ namespace, id: containerId, ...task }, context);
      return { containerId, pid };
    },

    async start(req, context) {
      return { pid: await tasks.start(keyOf(req, context), context) };
    },

    async delete(req, context) {
      return await tasks.delete(keyOf(req, context), context);
    },

    async deleteProcess(req, context) {
      const exit = await tasks.deleteProcess(keyOf(req, context), context);
      return { id: req.execId, ...exit };
    },

    async get(req, context) {
      return { process: await tasks.state(keyOf(req, context), context) };
    },

    async list(_req, context) {
      return { tasks: await tasks.list(scopeOf(context).namespace, context) };
    },

    async kill({ containerId: id, execId, signal, all }, context) {
      const key = keyOf({ containerId: id, execId }, context);
      return await tasks.call(key, context, (task, call) => task.kill({ id, execId, signal, all }, call));
    },

    async exec(req, context) {
      const { containerId: id, execId, stdin, stdout, stderr, terminal, spec } = req;
      if (execId === "") throw new ContainerdError({ code: "invalid_argument", what: "exec id cannot be empty" });
      checkIdentifier(execId, "exec id");
      const process = { id, execId, stdin, stdout, stderr, terminal, spec };
      return await tasks.tell(keyOf(req, context), "/tasks/exec-added", context, (task, call) =>
        task.exec(process, call),
      );
    },

    async resizePty({ containerId: id, execId, width, height }, context) {
      const key = keyOf({ containerId: id, execId }, context);
      return await tasks.call(key, context, (task, call) => task.resizePty({ id, execId, width, height }, call));
    },

    async closeIO({ containerId: id, execId, stdin }, context) {
      const key = keyOf({ containerId: id, execId }, context);
      return await tasks.call(key, context, (task, call) => task.closeIO({ id, execId, stdin }, call));
    },

    async pause({ containerId: id }, context) {
      const key = keyOf({ containerId: id }, context);
      return await tasks.tell(key, "/tasks/paused", context, (task, call) => task.pause({ id }, call));
    },

    async resume({ containerId: id }, context) {
      const key = keyOf({ containerId: id }, context);
      return await tasks.tell(key, "/tasks/resumed", context, (task, call) => task.resume({ id }, call));
    },

    async listPids({ containerId: id }, context) {
      return await tasks.call(keyOf({ containerId: id }, context), context, (task, call) => task.pids({ id }, call));
    },

    async checkpoint({ containerId: id, options }, context) {
      const path = checkpointPath(options);
      const key = keyOf({ containerId: id }, context);
      if (path !== "") {
        await tasks.call(key, context, (task, call) => task.checkpoint({ id, path, options }, call));
        return { descriptors: [] };
      }
      const { signal } = context;
      const { storeDump } = await import("../runtime/checkpoint-content.ts");
      const place = { store, scope: scopeOf(context) };
      const stored = await tasks.dump(key, { signal, options }, (dump) => storeDump(place, dump, { signal }));
      return { descriptors: [...stored] };
    },

    async update({ containerId: id, resources, annotations }, context) {
      const key = keyOf({ containerId: id }, context);
      return await tasks.call(key, context, (task, call) => task.update({ id, resources, annotations }, call));
    },

    async metrics({ filters }, context) {
      const { namespace } = scopeOf(context);
      const matches = parseFilters(filters);
      const field = (id: string) => (path: readonly string[]) =>
        textField(path[0] === "id" ? id : path[0] === "namespace" ? namespace : "");
      const ids = tasks.ids(namespace).filter((id) => matches(field(id)));
      const metrics = ids.map(async (id) => {
        const { stats } = await tasks.call({ namespace, id }, context, (task, call) => task.stats({ id }, call));
        return { timestamp: timestampOf(store.clock.now()), id, data: stats };
      });
      // As in containerd, a task that has no figures, because it has ended say, is left out.
      const settled = await Promise.allSettled(metrics);
      context.signal.throwIfAborted();
      return { metrics: settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])) };
    },

    async wait(req, context) {
      const { exitStatus, exitedAt } = await tasks.wait(keyOf(req, context), context);
      return { exitStatus, exitedAt };
    },
  };
}

function keyOf({ containerId, execId = "" }: ProcessRequest, context: CallContext): ProcessKey {
  return { namespace: scopeOf(context).namespace, id: containerId, execId };
}
