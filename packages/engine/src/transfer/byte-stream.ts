import { ContainerdError, decodeAnyAs, encodeAny } from "@ctr/api";
import type { StreamEnd } from "./streams.ts";

/** Bytes a client may send ahead. Twice the protocol's usual window and more: every grant is a turn of both sides. */
const WINDOW_BYTES = 1024 * 1024;
/** Largest `Data` message. Engine reference, section 18.1. */
const DATA_BYTES = 32 * 1024;

/** Bytes from a client until it ends its side. Throws `cancelled` where it left instead: what came is not the whole. */
export async function* receiveBytes(stream: StreamEnd): AsyncGenerator<Uint8Array, void, undefined> {
  let granted = 0;
  const grant = () => {
    if (granted > WINDOW_BYTES / 2) return;
    const update = WINDOW_BYTES - granted;
    stream.send(encodeAny("containerd.types.transfer.WindowUpdate", { update }));
    granted += update;
  };
  grant();
  for (let any = await stream.receive(); any !== undefined; any = await stream.receive()) {
    const data = decodeAnyAs(any, "containerd.types.transfer.Data")?.data;
    if (data === undefined) continue;
    yield data;
    granted -= data.byteLength;
    grant();
  }
  if (stream.cancelled) throw gone(stream);
}

/** Sends bytes as the client's window allows. Throws `cancelled` when it wants no more. */
export async function sendBytes(stream: StreamEnd, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let window = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      while (window <= 0) window += await nextWindow(stream);
      const data = chunk.subarray(at, at + Math.min(DATA_BYTES, window));
      stream.send(encodeAny("containerd.types.transfer.Data", { data }));
      at += data.byteLength;
      window -= data.byteLength;
    }
  }
}

async function nextWindow(stream: StreamEnd): Promise<number> {
  const any = await stream.receive();
  if (any === undefined) throw gone(stream);
  return decodeAnyAs(any, "containerd.types.transfer.WindowUpdate")?.update ?? 0;
}

function gone(stream: StreamEnd): ContainerdError {
  return new ContainerdError({
    code: "cancelled",
    what: "cannot go on with the transfer",
    where: { stream: stream.id },
    why: "the client let go of its stream",
  });
}
