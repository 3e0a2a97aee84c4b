import { ContainerdError, hasCode } from "@ctr/api";
import { connectShim, type Shim, shimSockets } from "@ctr/client";
import type { Globals } from "../../command.ts";
import { embeddedShimSocket } from "../../connect.ts";
import { fail } from "../../errors.ts";

/** The flags of the group. */
export interface ShimFlags {
  readonly id: string;
  readonly shimAddress: string;
}

export interface ShimSettings {
  readonly flags: ShimFlags;
  readonly globals: Globals;
  readonly signal: AbortSignal;
}

/** Connects to the shim that the group's flags name. `apiVersion` left out takes whichever the shim has. */
export async function openShim(settings: ShimSettings, apiVersion?: number): Promise<Shim> {
  if (apiVersion !== undefined && apiVersion !== 2 && apiVersion !== 3) throw fail("api-version must be 2 or 3");
  const { globals, signal } = settings;
  const sockets = await socketsOf(settings);
  try {
    return await connectShim({ sockets, namespace: globals.namespace, apiVersion, signal });
  } catch (error) {
    if (!hasCode(error, "unavailable")) throw error;
    const names = sockets.map((path) => path.replace("\0", "@"));
    throw fail(`fail to connect to container shim with sockets: [${names.join(" ")}]`, error.fix);
  }
}

/** The sockets to try: the one that was given, then those that containerd, or the engine, has for the id. */
export async function socketsOf({ flags, globals }: ShimSettings): Promise<readonly string[]> {
  const { id, shimAddress } = flags;
  if (id === "" && shimAddress === "") throw fail("shim ID (--id) or address (--shim-address) must be specified");
  const given = shimAddress === "" ? [] : [shimAddress.replace(/^unix:\/\//, "")];
  if (id === "") return given;
  const own = await embeddedShimSocket(globals, id);
  if (own !== undefined) return [...given, own];
  return [...given, ...(await shimSockets({ address: globals.address, namespace: globals.namespace, id }))];
}

/** A call whose failure is told as ttrpc's Go client tells it. */
export async function raw<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ContainerdError)) throw error;
    throw fail(`rpc error: code = ${goName(error.code)} desc = ${error.message}`, error.fix);
  }
}

/** `not_found` as Go has it: `NotFound`. */
function goName(code: ContainerdError["code"]): string {
  if (code === "cancelled") return "Canceled";
  return code.replace(/(?:^|_)([a-z])/g, (_found, letter: string) => letter.toUpperCase());
}
