import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenUnix, MAX_UNIX_PATH_BYTES } from "./unix-listener.ts";

test("listenUnix() takes connections at once, from its owner alone, until its descriptor is closed", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-listen-"));
  try {
    const path = join(dir, "s");
    const fd = listenUnix(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await outcome(path)).toBe("connected");
    expect(() => listenUnix(path)).toThrow(/bind .*: E98/);
    closeSync(fd);
    expect(await outcome(path)).toBe("ECONNREFUSED");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("listenUnix() refuses a path that the kernel would cut", () => {
  expect(() => listenUnix(`/tmp/${"a".repeat(MAX_UNIX_PATH_BYTES)}`)).toThrow("too long for a socket");
});

function outcome(path: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(path, () => resolve("connected"));
  socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  return promise.finally(() => socket.destroy());
}
