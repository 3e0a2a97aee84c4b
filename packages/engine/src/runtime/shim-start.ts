import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { bootstrapV1, protobufAny } from "@ctr/api";
import { MAX_UNIX_PATH_BYTES } from "@ctr/sys";
import { parseShimAnswer, type ShimAddress } from "./shim-address.ts";
import { runStart, type ShimCommand, shimFailed } from "./shim-process.ts";

/** `/` and the 64 digits of a hash. */
const SOCKET_NAME_BYTES = 65;

/**
 * Starts a shim and says where it answers. Shims before 2.3 read the options from stdin, those since then a message
 * that has them; each fails on the other's. The older form is tried first: a shim that does not know it says so at once
 * and starts nothing. Engine reference: 11.2.
 */
export async function startShim(command: ShimCommand, options: protobufAny.Any | undefined): Promise<ShimAddress> {
  const plain = options === undefined ? new Uint8Array(0) : protobufAny.Any.encode(options).finish();
  const first = await runStart(command, plain);
  if (first.exitCode === 0) return parseShimAnswer(first.stdout);
  mkdirSync(dirname(command.socket), { recursive: true, mode: 0o700 });
  const second = await runStart(command, bootstrapParams(command, options));
  if (second.exitCode === 0) return parseShimAnswer(second.stdout);
  // One that knows the newer form has refused the older one for its form alone; its real complaint is the second.
  throw shimFailed("start", command, /deprecated|bootstrap/i.test(first.stderr) ? second : first);
}

/** Whether the directory is short enough for the name that shims give their sockets. */
function fits(socket: string): boolean {
  return Buffer.byteLength(dirname(socket)) + SOCKET_NAME_BYTES < MAX_UNIX_PATH_BYTES;
}

/** What shims read from stdin since 2.3. */
export function bootstrapParams(command: ShimCommand, options: protobufAny.Any | undefined): Uint8Array {
  const params = bootstrapV1.BootstrapParams.fromPartial({
    instanceId: command.id,
    namespace: command.namespace,
    containerdVersion: "2.3.0",
    containerdTtrpcAddress: command.eventsSocket,
    containerdGrpcAddress: command.address,
    containerdBinary: process.execPath,
    // Else it would answer beside the shims of a containerd.
    ...(fits(command.socket) ? { socketDir: dirname(command.socket) } : {}),
    extensions: options === undefined ? [] : [{ value: options }],
  });
  return bootstrapV1.BootstrapParams.encode(params).finish();
}
