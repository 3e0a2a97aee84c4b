import { type Client, connect } from "@ctr/client";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** A containerd, a registry that holds busybox, and a client between them. */
export interface Stage extends AsyncDisposable {
  readonly daemon: PrivateContainerd;
  readonly registry: PrivateRegistry;
  readonly client: Client;
  /** A name that can be pulled. */
  readonly busybox: string;
  /** Where FIFOs may be made. */
  readonly fifoDir: string;
}

/** Namespaces are the tests' own: runc keeps its state by namespace, for every containerd of a machine. */
export async function openStage(namespace: string): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const daemon = stack.use(await startContainerd());
  const registry = stack.use(await startRegistry());
  const client = stack.use(await connect({ address: daemon.address, namespace: `${namespace}-${process.pid}` }));
  await pushLayout(registry.host, "lib/busybox", "latest", await busyboxLayout());
  const busybox = `${registry.host}/lib/busybox:latest`;
  const end = () => stack.disposeAsync();
  return { daemon, registry, client, busybox, fifoDir: `${daemon.dir}/fifo`, [Symbol.asyncDispose]: end };
}

/** All of a stream as text. */
export async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}
