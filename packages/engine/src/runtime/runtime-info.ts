import { ContainerdError, introspectionTypes, protobufAny } from "@ctr/api";
import { scrubbedEnvironment } from "@ctr/sys";
import { defaultLibexec, resolveShimBinary, shimSearchPath } from "./shim-binary.ts";

const REQUEST = "containerd.types.RuntimeRequest";
const INFO = "containerd.types.RuntimeInfo";
const DEFAULT_RUNTIME = "io.containerd.runc.v2";
/** A shim that says nothing for so long never will. */
const TIMEOUT_MS = 10_000;

/**
 * What a shim tells of itself when it is run with `-info`: a RuntimeInfo, as it came. `unimplemented` for a shim that
 * does not know the flag, as containerd 1.6's. Engine reference: 11.6.
 */
export async function runtimeInfo(
  request: protobufAny.Any | undefined,
  { signal }: { readonly signal: AbortSignal },
): Promise<protobufAny.Any> {
  const { runtimePath, options } = readRequest(request);
  const searchPath = shimSearchPath(defaultLibexec());
  const binary = resolveShimBinary(runtimePath === "" ? DEFAULT_RUNTIME : runtimePath, searchPath);
  const child = Bun.spawn([binary, "-info"], {
    env: { ...scrubbedEnvironment(), PATH: searchPath.join(":") },
    stdin: options === undefined ? new Uint8Array(0) : protobufAny.Any.encode(options).finish(),
    stdout: "pipe",
    stderr: "pipe",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    signal,
  });
  const [value, said, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  signal.throwIfAborted();
  if (code !== 0) throw noInfo(binary, said.trim() === "" ? `it exited with ${code}` : said.trim().slice(0, 500));
  return { typeUrl: INFO, value };
}

function readRequest(request: protobufAny.Any | undefined) {
  if (request === undefined) return introspectionTypes.RuntimeRequest.fromPartial({});
  if (request.typeUrl === REQUEST) return introspectionTypes.RuntimeRequest.decode(request.value);
  throw new ContainerdError({
    code: "invalid_argument",
    what: "options of a runtime's plugin",
    where: { type: request.typeUrl },
    why: `only ${REQUEST} is known`,
  });
}

function noInfo(binary: string, why: string): ContainerdError {
  return new ContainerdError({
    code: "unimplemented",
    what: "the shim tells nothing of itself",
    where: { binary },
    why,
  });
}
