import { bootstrapV1, ContainerdError } from "@ctr/api";

/** Where and how a shim answers. */
export interface ShimAddress {
  /** Of the task API: 2 or 3. */
  readonly version: number;
  /** `unix:///run/…`. */
  readonly address: string;
  readonly protocol: "ttrpc" | "grpc";
}

const MAX_VERSION = 3;

/**
 * What a shim's `start` printed: protobuf from 2.3 on, JSON from 2.0 on, a bare address before. `unimplemented` for a
 * version or protocol that is not known here, `unknown` for anything else. Engine reference: 11.2.
 */
export function parseShimAnswer(stdout: Uint8Array): ShimAddress {
  const text = new TextDecoder().decode(stdout).trim();
  const answer = parseProtobuf(stdout) ?? parseJson(text) ?? { version: 2, address: text, protocol: "ttrpc" };
  return checked(answer);
}

/** The same from the files of a bundle: ours, else the one that shims before 2.0 write. */
export function shimAddressFromFiles(json: string | undefined, text: string | undefined): ShimAddress | undefined {
  const answer = json === undefined ? undefined : parseJson(json);
  if (answer) return checked(answer);
  const address = text?.trim() ?? "";
  return address === "" ? undefined : checked({ version: 2, address, protocol: "ttrpc" });
}

/** The socket file of an address. Abstract sockets are refused: whoever shares the network namespace could call them. */
export function socketPathOf(address: string): string {
  const prefix = "unix://";
  if (address.startsWith(`${prefix}/`)) return address.slice(prefix.length);
  throw new ContainerdError({
    code: "unimplemented",
    what: "cannot connect to the shim",
    where: { address },
    why: "only unix:// sockets with a path are spoken to",
  });
}

interface Answer {
  readonly version: number;
  readonly address: string;
  readonly protocol: string;
}

/** A bare address and JSON never decode as this message: their first bytes are no tag of it. */
function parseProtobuf(bytes: Uint8Array): Answer | undefined {
  const first = bytes[0];
  if (first !== 0x08 && first !== 0x12) return undefined;
  try {
    const result = bootstrapV1.BootstrapResult.decode(bytes);
    return result.address === "" ? undefined : result;
  } catch {
    // Not this form; the next one decides.
    return undefined;
  }
}

function parseJson(text: string): Answer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not this form; the next one decides.
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  // The three fields are checked one by one right here.
  const { version, address, protocol } = value as Readonly<Record<string, unknown>>;
  if (typeof version !== "number" || version < 2 || typeof address !== "string") return undefined;
  return { version, address, protocol: typeof protocol === "string" ? protocol : "ttrpc" };
}

function checked({ version, address, protocol }: Answer): ShimAddress {
  if (version > MAX_VERSION || version < 0) {
    throw new ContainerdError({
      code: "unimplemented",
      what: "unsupported shim version",
      where: { version },
      why: `versions up to ${MAX_VERSION} are known`,
    });
  }
  const kind = protocol.toLowerCase() || "ttrpc";
  if (kind !== "ttrpc" && kind !== "grpc") {
    throw new ContainerdError({ code: "unimplemented", what: "unsupported shim protocol", where: { protocol } });
  }
  if (/^[!-~]+$/.test(address)) return { version: version || 2, address, protocol: kind };
  throw new ContainerdError({
    code: "unknown",
    what: "the shim printed no address",
    why: JSON.stringify(address.slice(0, 200)),
  });
}
