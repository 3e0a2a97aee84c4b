import { hostPlatform, type Mount, type RootfsReader, type SpecHost } from "@ctr/oci";
import {
  fileError,
  getHostname,
  getKernelVersion,
  mountAll,
  openRoot,
  type Root,
  readEffectiveCapabilities,
  readOnlyMounts,
  readPathEntry,
  unmount,
} from "@ctr/sys";

/** What spec options ask of this machine. */
export function openSpecHost(): SpecHost {
  return {
    hostname: getHostname(),
    architecture: hostPlatform().architecture,
    kernel: getKernelVersion(),
    effectiveCapabilities: async () => readEffectiveCapabilities(),
    readFile: async (path) => readHostFile(path),
    parseYaml,
    realPath: async (path) => realPath(path),
    loadAppArmor,
    stat: async (path) => readPathEntry(path),
  };
}

function realPath(path: string): string | undefined {
  try {
    return process.getBuiltinModule("node:fs").realpathSync(path);
  } catch {
    // Whatever keeps it from being looked at: for whoever asks there is nothing.
    return undefined;
  }
}

/** Characters of what the parser says: its last words tell. */
const MAX_MESSAGE = 4000;

/** The parser replaces a profile of that name, and does not write its cache: the text may differ from call to call. */
async function loadAppArmor(profile: string): Promise<void> {
  const { spawn } = await import("node:child_process");
  const PATH = process.env["PATH"] || "/usr/sbin:/sbin:/usr/bin:/bin";
  const child = spawn("apparmor_parser", ["-Kr"], { env: { PATH }, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-MAX_MESSAGE);
    });
  }
  // It may end without reading all of it, which its exit code tells.
  child.stdin.on("error", () => undefined);
  child.stdin.end(profile);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(said.trim() || `apparmor_parser: exit status ${code}`);
}

function parseYaml(text: string): unknown {
  if (typeof Bun === "undefined") throw new Error("this runtime reads JSON only");
  return Bun.YAML.parse(text);
}

function readHostFile(path: string): Uint8Array {
  try {
    return new Uint8Array(process.getBuiltinModule("node:fs").readFileSync(path));
  } catch (error) {
    throw fileError("open", path, error);
  }
}

/** A root filesystem to read user and group names from. Disposing takes down what was mounted for it. */
export interface MountedRootfs extends RootfsReader, AsyncDisposable {}

/**
 * The tree of a snapshot, or of a plain directory, mounted only when something is read. The tree is not trusted: links
 * in it lead nowhere else.
 */
export function openRootfsReader(rootfs: readonly Mount[] | string): MountedRootfs {
  let opened: Promise<OpenRootfs> | undefined;
  return {
    async readFile(path) {
      opened ??= typeof rootfs === "string" ? openDirectory(rootfs) : openMounts(rootfs);
      return readOptional((await opened).root, path);
    },
    async [Symbol.asyncDispose]() {
      // A failure to open was told to whoever read.
      const rootfs = await opened?.catch(() => undefined);
      await rootfs?.close();
    },
  };
}

interface OpenRootfs {
  readonly root: Root;
  close(): Promise<void>;
}

async function openDirectory(dir: string): Promise<OpenRootfs> {
  const root = await openRoot(dir);
  return { root, close: async () => root[Symbol.asyncDispose]() };
}

/** A lone bind mount is a directory already; anything else is mounted read-only on one of our own. */
async function openMounts(mounts: readonly Mount[]): Promise<OpenRootfs> {
  const [only, ...others] = mounts;
  if (only !== undefined && others.length === 0 && only.type === "bind") return openDirectory(only.source);
  const { mkdtempSync, rmdirSync } = process.getBuiltinModule("node:fs");
  const dir = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/containerd-mount`);
  let mounted = false;
  try {
    await mountAll(readOnlyMounts(mounts), dir);
    mounted = true;
    const root = await openRoot(dir);
    const close = async () => {
      await root[Symbol.asyncDispose]();
      await unmount(dir);
      rmdirSync(dir);
    };
    return { root, close };
  } catch (error) {
    if (mounted) await unmount(dir);
    rmdirSync(dir);
    throw error;
  }
}

/** Absence is an answer here; anything else wrong with the path is not. */
async function readOptional(root: Root, path: string): Promise<Uint8Array | undefined> {
  try {
    return await root.readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      return undefined;
    }
    throw error;
  }
}
