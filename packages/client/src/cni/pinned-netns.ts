import { ContainerdError } from "@ctr/api";
import { mountAll, mountPointsAt, unmountAll } from "@ctr/sys";

// A network namespace ends with its last process, but plugins take down all they made only while they can enter it: it
// is kept by a mount from when a container is connected until it is disconnected.

/** Mounts the network namespace of process `pid` where it stays; returns the path. */
export async function pinNetns(dir: string, id: string, pid: number): Promise<string> {
  const { closeSync, mkdirSync, openSync } = process.getBuiltinModule("node:fs");
  const source = netnsOf(pid, id);
  const path = `${dir}/${id}`;
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  await unmountAll(path, { detach: true });
  closeSync(openSync(path, "w", 0o400));
  await mountAll([{ type: "bind", source, target: "", options: ["bind"] }], path);
  return path;
}

/** The kept namespace of a container; undefined where there is none, such as after a reboot. */
export function pinnedNetns(dir: string, id: string): string | undefined {
  const path = `${dir}/${id}`;
  return mountPointsAt(path).length > 0 ? path : undefined;
}

/** Whether any process is in the namespace. */
export function isInUse(path: string): boolean {
  const { readdirSync, readlinkSync, statSync } = process.getBuiltinModule("node:fs");
  const name = `net:[${statSync(path).ino}]`;
  return readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/net`) === name;
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/** Lets the namespace go. */
export async function unpinNetns(dir: string, id: string): Promise<void> {
  const path = `${dir}/${id}`;
  try {
    await unmountAll(path, { detach: true });
  } catch (error) {
    // Another command may take the same container down.
    if (mountPointsAt(path).length > 0) throw error;
  }
  process.getBuiltinModule("node:fs").rmSync(path, { force: true });
}

/** A container in the host's network namespace would have us rebuild the network of the host. */
function netnsOf(pid: number, id: string): string {
  const path = `/proc/${pid}/ns/net`;
  // This command's own and that of the machine are two where it runs in a namespace itself.
  const hosts = ["self", "1"].map((host) => nameOf(`/proc/${host}/ns/net`));
  if (!hosts.includes(nameOf(path))) return path;
  throw new ContainerdError({
    code: "failed_precondition",
    what: "cannot connect container to a network",
    where: { container: id },
    why: "it is in the host's network namespace",
    fix: "run it without --cni, or in a network namespace of its own",
  });
}

/** The namespace a process is in; "" where this process may not ask. */
function nameOf(path: string): string {
  try {
    return process.getBuiltinModule("node:fs").readlinkSync(path);
  } catch {
    return "";
  }
}
