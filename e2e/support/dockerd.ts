import { join } from "node:path";
import type { PrivateContainerd } from "./containerd.ts";
import { mustRun, waitForLine } from "./process.ts";

/** Debian's dockerd on a socket and directories of its own, below those of the containerd that it uses. */
export interface PrivateDockerd extends AsyncDisposable {
  /** Runs Debian's docker; another vendor's may be first on PATH. */
  docker(...words: readonly string[]): Promise<string>;
}

export async function startDockerd(containerd: PrivateContainerd): Promise<PrivateDockerd> {
  const at = (name: string) => join(containerd.dir, name);
  const directories = [`--data-root=${at("data")}`, `--exec-root=${at("exec")}`, `--pidfile=${at("dockerd.pid")}`];
  // vfs: a graph driver that works on any filesystem and mounts nothing.
  const options = ["--bridge=none", "--iptables=false", "--storage-driver=vfs", `--host=unix://${at("d.sock")}`];
  const argv = ["dockerd", "--containerd", containerd.address, ...directories, ...options];
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  await waitForLine(child.stderr, /API listen on/, "dockerd");
  return {
    docker: (...words) => mustRun(["/usr/bin/docker", "-H", `unix://${at("d.sock")}`, ...words]),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}
