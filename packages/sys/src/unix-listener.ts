import { callLibc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
/** Connections that wait until the first is accepted. */
const BACKLOG = 128;
/** Bytes of `sun_path`, its NUL included. */
export const MAX_UNIX_PATH_BYTES = 108;

/**
 * A socket file that listens, of which nobody accepts yet, for a process that is started with it. Only its owner may connect
 * (mode 0600). The descriptor is the caller's to close. Throws `ErrnoError`; unix(7).
 */
export function listenUnix(path: string): number {
  const { chmodSync, closeSync } = process.getBuiltinModule("node:fs");
  const address = socketAddress(path);
  const fd = callLibc("socket", [AF_UNIX, SOCK_STREAM_CLOEXEC, 0], path);
  try {
    callLibc("bind", [fd, address, address.byteLength], path);
    chmodSync(path, 0o600);
    callLibc("listen", [fd, BACKLOG], path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** `struct sockaddr_un`. */
function socketAddress(path: string): Uint8Array {
  const text = new TextEncoder().encode(path);
  if (text.byteLength >= MAX_UNIX_PATH_BYTES) throw new RangeError(`${path} is too long for a socket`);
  const address = new Uint8Array(2 + text.byteLength + 1);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(text, 2);
  return address;
}
