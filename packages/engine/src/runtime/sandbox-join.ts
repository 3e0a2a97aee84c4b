import { ContainerdError } from "@ctr/api";
import { readShimAddress } from "./bundle.ts";
import { isMade, sandboxPaths, writeSandboxOf } from "./sandbox-paths.ts";
import type { ShimAddress } from "./shim-address.ts";
import type { TaskContext } from "./task-context.ts";
import type { TaskPaths } from "./task-paths.ts";

/** The version of the task API from which on a sandbox's shim takes tasks of containers. */
const TASKS_IN_SANDBOX = 3;
const ENDPOINT = /^(?:(ttrpc|grpc)\+)?(unix:\/\/\/.+)$/;

/** Where a client says that the task is to be made. */
export interface TaskEndpoint {
  /** `ttrpc+unix:///…`; "" where the sandbox, or nothing, says it. */
  readonly address: string;
  readonly version: number;
}

/**
 * The shim that a task is to use instead of one of its own: that of its container's sandbox, or one the client names.
 * Undefined where there is neither, or the sandbox's shim takes no tasks. `not_found` for a sandbox that does not run.
 */
export function joinSandbox(
  { store }: Pick<TaskContext, "store">,
  paths: TaskPaths,
  wanted: { readonly sandbox: string; readonly endpoint: TaskEndpoint },
): ShimAddress | undefined {
  const address = wanted.endpoint.address === "" ? ofSandbox(store, paths, wanted.sandbox) : parse(wanted.endpoint);
  if (address !== undefined && wanted.sandbox !== "") writeSandboxOf(paths.bundle, wanted.sandbox);
  return address;
}

function ofSandbox(store: TaskContext["store"], { namespace }: TaskPaths, sandbox: string): ShimAddress | undefined {
  if (sandbox === "") return undefined;
  const at = sandboxPaths(store, namespace, sandbox);
  const address = isMade(at) ? readShimAddress(at.bundle) : undefined;
  if (address !== undefined) return address.version >= TASKS_IN_SANDBOX ? address : undefined;
  throw new ContainerdError({
    code: "not_found",
    what: `can't find sandbox ${sandbox}`,
    why: "it does not run",
    fix: `start it with ctr sandboxes run CONFIG ${sandbox}, or create the container without a sandbox`,
  });
}

function parse({ address, version }: TaskEndpoint): ShimAddress {
  const [, protocol = "ttrpc", socket] = ENDPOINT.exec(address) ?? [];
  if (socket !== undefined) {
    // The expression takes no other protocol.
    return { address: socket, protocol: protocol === "grpc" ? "grpc" : "ttrpc", version: version || TASKS_IN_SANDBOX };
  }
  throw new ContainerdError({
    code: "invalid_argument",
    what: `cannot make a task at ${address}`,
    why: "wanted is ttrpc+unix:///PATH or grpc+unix:///PATH",
  });
}
