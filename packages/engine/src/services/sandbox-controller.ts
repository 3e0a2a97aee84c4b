import { ContainerdError, hasCode, type sandboxTypes, type sandboxV1 } from "@ctr/api";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import { deleteSandbox, findSandbox } from "../metadata/sandboxes.ts";
import { publishSandbox } from "../runtime/sandbox-events.ts";
import type { SandboxKey, SandboxManager } from "../runtime/sandbox-manager.ts";
import { checkIdentifier, scopeOf } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { Store } from "../store/store.ts";
import { required } from "./wire.ts";

/** The one controller there is: shims that have the sandbox API. */
const SHIM = "shim";

interface SandboxRequest {
  readonly sandboxId: string;
  readonly sandboxer: string;
}

/** containerd.services.sandbox.v1.Controller over the shims of a store. */
export function sandboxControllerService(
  store: Store,
  loadSandboxes: () => Promise<SandboxManager>,
): ServiceImpl<typeof sandboxV1.ControllerDefinition> {
  return {
    async create(req, context) {
      const key = keyOf(req, context);
      checkIdentifier(key.id, "sandbox ID");
      const { rootfs, options, netnsPath, annotations } = req;
      const { runtime, spec } = recordOf(store, key, req.sandbox);
      const made = { runtime: runtime?.name ?? "", runtimeOptions: runtime?.options, spec };
      await (await loadSandboxes()).create({ ...key, ...made, rootfs, options, netnsPath, annotations }, context);
      publishSandbox(store, key, "create");
      return { sandboxId: key.id };
    },

    async start(req, context) {
      const key = keyOf(req, context);
      const sandboxes = await loadSandboxes();
      const started = await sandboxes.call(key, context, (calls, call) =>
        calls.startSandbox({ sandboxId: key.id }, call),
      );
      publishSandbox(store, key, "start");
      return { sandboxId: key.id, ...started, ...endpointOf(sandboxes, key) };
    },

    async platform(req, context) {
      const key = keyOf(req, context);
      return (await loadSandboxes()).call(key, context, (calls, call) => calls.platform({ sandboxId: key.id }, call));
    },

    /** One that does not run has stopped. */
    async stop(req, context) {
      const key = keyOf(req, context);
      const request = { sandboxId: key.id, timeoutSecs: req.timeoutSecs };
      await (await loadSandboxes())
        .call(key, context, (calls, call) => calls.stopSandbox(request, call))
        .catch(ignoreMissing);
      return {};
    },

    async wait(req, context) {
      return (await loadSandboxes()).wait(keyOf(req, context), context);
    },

    /** One that does not run has ended, just now for all that is known. */
    async status(req, context) {
      const key = keyOf(req, context);
      const sandboxes = await loadSandboxes();
      const request = { sandboxId: key.id, verbose: req.verbose };
      const status = await sandboxes
        .call(key, context, (calls, call) => calls.sandboxStatus(request, call))
        .catch(ignoreMissing);
      if (status === undefined) return { sandboxId: key.id, exitedAt: timestampOf(store.clock.now()) };
      return { ...status, sandboxId: key.id, ...endpointOf(sandboxes, key) };
    },

    /** Its record goes too. */
    async shutdown(req, context) {
      const key = keyOf(req, context);
      await (await loadSandboxes()).shutdown(key, context);
      store.db.write((tx) => {
        if (findSandbox(tx, key.namespace, key.id) !== undefined) deleteSandbox(tx, key.namespace, key.id);
      });
      return {};
    },

    async metrics(req, context) {
      const key = keyOf(req, context);
      return (await loadSandboxes()).call(key, context, (calls, call) =>
        calls.sandboxMetrics({ sandboxId: key.id }, call),
      );
    },

    /** Shims have no call for it: what the record says is all there is to change. */
    async update(req, context) {
      keyOf(req, context);
      required(req.sandbox, "sandbox");
      return {};
    },
  };
}

function keyOf({ sandboxId: id, sandboxer }: SandboxRequest, context: CallContext): SandboxKey {
  const { namespace } = scopeOf(context);
  if (sandboxer === SHIM) return { namespace, id };
  if (sandboxer === "") {
    throw new ContainerdError({ code: "invalid_argument", what: "sandbox controller name can not be empty" });
  }
  throw new ContainerdError({ code: "not_found", what: `failed to find sandbox controller ${sandboxer}` });
}

/** What the sandbox is to be: as the request says, or else its record. */
function recordOf(store: Store, { namespace, id }: SandboxKey, given: sandboxTypes.Sandbox | undefined) {
  const found = given ?? store.db.read((tx) => findSandbox(tx, namespace, id));
  return required(found, "sandbox");
}

/** Where containers of the sandbox make their tasks. */
function endpointOf(sandboxes: SandboxManager, key: SandboxKey) {
  const at = sandboxes.address(key);
  return at === undefined ? {} : { address: `${at.protocol}+${at.address}`, version: at.version };
}

function ignoreMissing(error: unknown): undefined {
  if (!hasCode(error, "not_found")) throw error;
  return undefined;
}
