import { ContainerdError, decodeAnyOf, encodeAnyOf, type protobufAny, RUNC_OPTIONS, runcOptions } from "@ctr/api";
import { resolveShimBinary } from "./shim-binary.ts";

/** What of a container its task is made from. */
export interface TaskContainer {
  /** `io.containerd.runc.v2`, or the path of a shim. */
  readonly runtime: string;
  readonly runtimeOptions: protobufAny.Any | undefined;
  readonly spec: protobufAny.Any | undefined;
  /** Id of the sandbox whose shim its task uses; "" without one. */
  readonly sandbox?: string;
}

/** The shim of a task and its options. */
export interface TaskRuntime {
  readonly binary: string;
  readonly options: protobufAny.Any | undefined;
  /** The same options decoded, where the shim is runc's. */
  readonly runc: runcOptions.Options | undefined;
  /** Whether nothing is asked of the shim's `start` but to start the shim proper. */
  readonly direct: boolean;
}

export interface RuntimeRequest {
  /** Wins over the container's runtime when it is not "". */
  readonly runtimePath: string;
  /** Win over the container's when they are not empty. */
  readonly options: protobufAny.Any | undefined;
  readonly runcRoot: string;
  readonly searchPath: readonly string[];
}

/**
 * Which shim to start, with which options. runc's get the store's own runc root unless the client named one. `unknown`,
 * as containerd has it, for options that are not runc's: its shim would crash on them.
 */
export function resolveRuntime(container: TaskContainer, request: RuntimeRequest): TaskRuntime {
  const name = request.runtimePath || container.runtime;
  const binary = resolveShimBinary(name, request.searchPath);
  const given = isEmpty(request.options) ? container.runtimeOptions : request.options;
  if (!/\/containerd-shim-runc-v\d$/.test(binary)) return { binary, options: given, runc: undefined, direct: false };
  const runc = isEmpty(given) ? runcOptions.Options.fromPartial({}) : decodeAnyOf(RUNC_OPTIONS, given);
  if (runc === undefined) {
    throw new ContainerdError({
      code: "unknown",
      what: `invalid task create option for ${name}`,
      why: `expected ${RUNC_OPTIONS.typeUrl}, got ${given?.typeUrl}`,
    });
  }
  const filled = { ...runc, root: runc.root || request.runcRoot };
  return {
    binary,
    runc: filled,
    direct: isRuncName(name) && runc.shimCgroup === "" && !isGrouped(container) && !wantsCoreScheduling(),
    options: encodeAnyOf(RUNC_OPTIONS, filled),
  };
}

/** Whether it is runc's runtime by its name: a path may be any program. */
export function isRuncName(name: string): boolean {
  return name === "io.containerd.runc.v2";
}

/** Whether the spec has one of the annotations by which a shim takes in several containers. */
function isGrouped({ spec }: TaskContainer): boolean {
  const text = new TextDecoder().decode(spec?.value);
  return text.includes("io.containerd.runc.v2.group") || text.includes("io.kubernetes.cri.sandbox-id");
}

function wantsCoreScheduling(): boolean {
  return (process.env["SCHED_CORE"] ?? "") !== "";
}

function isEmpty(any: protobufAny.Any | undefined): boolean {
  return any === undefined || (any.typeUrl === "" && any.value.byteLength === 0);
}
