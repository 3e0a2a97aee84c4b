import { mkdirSync } from "node:fs";
import { decompress, readTar, type TarEntry } from "@ctr/oci";
import { openTree, type Tree, type TreeDirectory } from "@ctr/sys";
import { fail } from "./errors.ts";

export interface InstallerOptions {
  /** Where to write; made if it is not there. */
  readonly path: string;
  /** Directories of the image, of its root, whose own files are taken. */
  readonly directories: readonly string[];
  /** Whether files that exist are replaced. */
  readonly replace: boolean;
}

/** Takes layers in order, base first. */
export interface LayerInstaller extends Disposable {
  /** Fails at the first file that may not be replaced; what was written before stays. */
  add(layer: AsyncIterable<Uint8Array>): Promise<void>;
}

const WHITEOUT = ".wh.";

/** Opens a directory for files of layers. No entry leads out of it, whatever its name (R32). */
export function openInstaller(options: InstallerOptions): LayerInstaller {
  mkdirSync(options.path, { recursive: true, mode: 0o755 });
  const tree = openTree(options.path);
  const installer = new Installer(tree, options);
  return {
    async add(layer) {
      for await (const entry of readTar(decompress(layer))) await installer.take(entry);
    },
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  };
}

class Installer {
  readonly #tree: Tree;
  readonly #options: InstallerOptions;
  /** What this run wrote: a later layer may replace or remove it. */
  readonly #written = new Set<string>();

  constructor(tree: Tree, options: InstallerOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  async take(entry: TarEntry): Promise<void> {
    const [directory = "", base = "", ...deeper] = partsOf(entry.name);
    if (!this.#options.directories.includes(directory) || base === "" || deeper.length > 0) return;
    if (base.startsWith(WHITEOUT)) return this.#withdraw(directory, base.slice(WHITEOUT.length));
    if (entry.kind === "directory" || entry.kind === "other") return;
    const dir = this.#tree.open(bytesOf(directory), (parent, name) => this.#tree.makeDirectory(parent, name, 0o755));
    this.#clear(dir, directory, base);
    if (entry.kind === "file") await this.#write(dir, base, entry);
    else if (entry.kind === "symlink") this.#tree.symlink(dir, bytesOf(base), bytesOf(entry.linkName));
    else this.#link(dir, base, entry);
    this.#written.add(`${directory}/${base}`);
  }

  #clear(dir: TreeDirectory, directory: string, base: string): void {
    if (this.#tree.kind(dir, bytesOf(base)) === undefined) return;
    const name = `${directory}/${base}`;
    if (!this.#options.replace && !this.#written.has(name)) {
      throw fail(`cannot replace ${name} in ${this.#options.path}`, "files that exist are replaced with --replace");
    }
    this.#tree.remove(dir, bytesOf(base));
  }

  #withdraw(directory: string, base: string): void {
    if (!this.#written.delete(`${directory}/${base}`)) return;
    this.#tree.remove(this.#tree.open(bytesOf(directory)), bytesOf(base));
  }

  async #write(dir: TreeDirectory, base: string, entry: TarEntry): Promise<void> {
    const fd = this.#tree.createFile(dir, bytesOf(base));
    if (fd === undefined) throw fail(`cannot write ${base}: somebody else makes it at the same time`);
    try {
      for await (const chunk of entry.body) this.#tree.write(fd, this.#tree.pointer(chunk), chunk.byteLength);
      this.#tree.setFileMetadata(fd, metadataOf(entry), () => true);
    } finally {
      this.#tree.close(fd);
    }
  }

  /** Only to what was installed before: anything else would bring in a file that nobody asked for. */
  #link(dir: TreeDirectory, base: string, entry: TarEntry): void {
    const [directory = "", target = "", ...deeper] = partsOf(entry.linkName);
    if (deeper.length > 0 || !this.#written.has(`${directory}/${target}`)) {
      throw fail(`cannot install ${entry.name}: it links to ${entry.linkName}, which is not installed`);
    }
    this.#tree.link(this.#tree.open(bytesOf(directory)), bytesOf(target), dir, bytesOf(base));
  }
}

function metadataOf(entry: TarEntry) {
  const { mode, uid, gid, mtime } = entry.metadata();
  const time = { seconds: mtime, nanos: 0 };
  const owner = process.geteuid?.() === 0 ? { owner: { uid, gid } } : {};
  return { ...owner, mode, mtime: time, atime: time, xattrs: [] };
}

/** The parts of a clean relative name; none of one that leads anywhere else. */
function partsOf(name: string): readonly string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  return parts.includes("..") ? [] : parts;
}

/** The tree's names are bytes. */
function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
