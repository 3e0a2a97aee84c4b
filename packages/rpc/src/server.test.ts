import { expect, test } from "bun:test";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "./channel.ts";
import { connectH2c } from "./client.ts";
import { registerService } from "./route.ts";
import { type ServeH2cOptions, serveH2c } from "./server.ts";
import { EchoDefinition, type EchoImpl, echo, quiet, toTestStatus } from "./testing/echo-service.ts";

async function tempDir(): Promise<{ readonly dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-rpc-"));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

function serve(path: string, over: Partial<EchoImpl> = {}, options: Partial<ServeH2cOptions> = {}) {
  const services = [registerService(EchoDefinition, { ...echo, ...over })];
  return serveH2c({ services, toStatus: toTestStatus, ...quiet, ...options, path });
}

test("serveH2c() gives its socket file the mode asked for, and removes it when disposed", async () => {
  await using temp = await tempDir();
  const path = join(temp.dir, "s.sock");
  const server = await serve(path, {}, { mode: 0o660 });
  expect((await stat(path)).mode & 0o777).toBe(0o660);
  expect(await readdir(temp.dir)).toEqual(["s.sock"]);
  await server[Symbol.asyncDispose]();
  expect(await readdir(temp.dir)).toEqual([]);
});

test("serveH2c() takes over a stale path, and does not remove its successor's file", async () => {
  await using temp = await tempDir();
  const path = join(temp.dir, "s.sock");
  await writeFile(path, "left by a crash");
  const old = await serve(path, { one: async () => ({ typeUrl: "old" }) });
  await using _successor = await serve(path, { one: async () => ({ typeUrl: "new" }) });
  await old[Symbol.asyncDispose]();
  await using channel = await connectH2c({ path, ...quiet });
  expect((await createClient(EchoDefinition, channel).one({}, quiet)).typeUrl).toBe("new");
});

test("disposing a server waits for the calls under way", async () => {
  await using temp = await tempDir();
  const path = join(temp.dir, "s.sock");
  const began = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const server = await serve(path, {
    async one(request) {
      began.resolve();
      await gate.promise;
      return request;
    },
  });
  await using channel = await connectH2c({ path, ...quiet });
  const call = createClient(EchoDefinition, channel).one({ typeUrl: "late" }, quiet);
  await began.promise;
  const disposed = server[Symbol.asyncDispose]();
  gate.resolve();
  expect((await call).typeUrl).toBe("late");
  await disposed;
});

test("disposing a server cancels the calls that outlast drainMs", async () => {
  await using temp = await tempDir();
  const path = join(temp.dir, "s.sock");
  const began = Promise.withResolvers<void>();
  const over: Partial<EchoImpl> = {
    one: () => {
      began.resolve();
      return new Promise(() => {});
    },
  };
  const server = await serve(path, over, { drainMs: 20 });
  await using channel = await connectH2c({ path, ...quiet });
  const call = createClient(EchoDefinition, channel)
    .one({}, quiet)
    .catch((error: unknown) => error);
  await began.promise;
  await server[Symbol.asyncDispose]();
  expect(await call).toMatchObject({ code: 14 });
});

test("connectH2c() tells a missing socket from one that nobody listens on", async () => {
  await using temp = await tempDir();
  const stale = join(temp.dir, "stale");
  await writeFile(stale, "");
  await expect(connectH2c({ path: join(temp.dir, "no"), ...quiet })).rejects.toMatchObject({ errno: "ENOENT" });
  await expect(connectH2c({ path: stale, ...quiet })).rejects.toMatchObject({ errno: "ECONNREFUSED", address: stale });
});

test("connectH2c() reports a socket that its user may not open as EACCES", async () => {
  await using temp = await tempDir();
  const path = join(temp.dir, "s.sock");
  await using _server = await serve(path, {}, { mode: 0o600 });
  await chmod(temp.dir, 0o755);
  const program = `
    // Before it becomes somebody else, who may not be let into the directory of this checkout.
    const { connectH2c } = await import(${JSON.stringify(join(import.meta.dir, "index.ts"))});
    process.setgid?.(65534); process.setuid?.(65534);
    await connectH2c({ path: ${JSON.stringify(path)}, signal: new AbortController().signal }).catch((e) => console.log(e.errno));`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "pipe" });
  // Only root can become somebody else; anyone else is refused nothing here.
  if (process.getuid?.() !== 0) return;
  expect(`${await new Response(child.stdout).text()}${await new Response(child.stderr).text()}`).toBe("EACCES\n");
});

test("connectH2c() gives up when its signal aborts", async () => {
  const reason = new Error("never mind");
  const controller = new AbortController();
  controller.abort(reason);
  await expect(connectH2c({ path: "/nowhere", signal: controller.signal })).rejects.toBe(reason);
});

test("a server that is killed fails the calls under way as unavailable", async () => {
  await using temp = await tempDir();
  const path = join(temp.dir, "s.sock");
  const began = Promise.withResolvers<void>();
  const stop = new AbortController();
  await using _server = await serve(
    path,
    {
      one: () => {
        began.resolve();
        return new Promise(() => {});
      },
    },
    { signal: stop.signal },
  );
  await using channel = await connectH2c({ path, ...quiet });
  const call = createClient(EchoDefinition, channel)
    .one({}, quiet)
    .catch((error: unknown) => error);
  await began.promise;
  stop.abort();
  expect(await call).toMatchObject({ code: 14 });
});
