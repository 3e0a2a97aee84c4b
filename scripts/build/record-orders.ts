import { join } from "node:path";
import { forgetStore } from "../../e2e/support/engine.ts";

/** Commands whose time is mostly that of starting, the most common first. */
const short: readonly (readonly string[])[] = [
  ["images", "ls"],
  ["containers", "ls"],
  ["tasks", "ls"],
  ["namespaces", "ls"],
  ["content", "ls"],
  ["snapshots", "ls"],
  ["version"],
];

/**
 * Runs short commands of an executable, on an engine of its own and through a socket; returns the files, below `dir`,
 * in which it wrote what functions it ran.
 */
export async function recordOrders(executable: string, dir: string): Promise<readonly string[]> {
  const root = join(dir, "root");
  const embedded = `embedded://${root}`;
  const socket = join(dir, "ctr.sock");
  const env = { PATH: process.env["PATH"] ?? "", XDG_RUNTIME_DIR: join(dir, "run"), HOME: dir };
  const server = Bun.spawn([executable, "-a", embedded, "serve", "--listen", socket], {
    env,
    stdout: "ignore",
    stderr: "pipe",
  });
  try {
    // It says where it listens once it does.
    await server.stderr.getReader().read();
    const orders: string[] = [];
    for (const address of [embedded, socket]) {
      for (const words of short) {
        const order = join(dir, `order-${orders.length}`);
        const argv = [executable, "-a", address, ...words];
        const run = Bun.spawn(argv, {
          env: { ...env, BUN_BYTECODE_ORDER_OUT: order },
          stdout: "ignore",
          stderr: "pipe",
        });
        if ((await run.exited) !== 0) throw new Error(`${argv.join(" ")}: ${await new Response(run.stderr).text()}`);
        orders.push(order);
      }
    }
    return orders;
  } finally {
    server.kill();
    await server.exited;
    // Root's stores have their state outside.
    if (process.getuid?.() === 0) await forgetStore(root);
  }
}
