import { closeSync, ftruncateSync } from "node:fs";
import { basename, dirname } from "node:path";
import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import { openAllowed } from "./allowed-tree.ts";
import { runTool } from "./tool.ts";

const PREFIX = "X-containerd.mkfs.";
const FILE_SYSTEMS = ["ext2", "ext3", "ext4", "xfs"];
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/**
 * Makes the file that a mount's source names, of the size and with the file system that its options say, and gives the
 * mount without those options. A file that is there stays as it is. `permission_denied` outside of `roots`.
 */
export async function makeFileSystem(
  mount: Mount,
  roots: readonly string[],
  options: { readonly signal: AbortSignal },
): Promise<Mount> {
  const wanted = parseWanted(mount);
  using place = openAllowed(roots, mount.source);
  const { tree } = place;
  const dir = tree.open(dirname(place.path) === "." ? "" : dirname(place.path));
  const name = basename(place.path);
  const fd = tree.createFile(dir, name);
  if (fd !== undefined) {
    try {
      ftruncateSync(fd, wanted.size);
      await runTool({ argv: [...wanted.argv, "/dev/fd/3"], fd, ...options });
    } catch (error) {
      tree.remove(tree.open(dirname(place.path) === "." ? "" : dirname(place.path)), name);
      throw error;
    } finally {
      closeSync(fd);
    }
  }
  return { ...mount, options: mount.options.filter((option) => !option.startsWith(PREFIX)) };
}

function parseWanted(mount: Mount): { readonly size: number; readonly argv: readonly string[] } {
  const given = new Map(
    mount.options
      .filter((option) => option.startsWith(PREFIX))
      .map((option) => [option.slice(PREFIX.length, option.indexOf("=")), option.slice(option.indexOf("=") + 1)]),
  );
  const { size = "", fs = "ext4", uuid, ...unknown } = Object.fromEntries(given);
  const bytes = parseSize(size);
  const why =
    bytes === undefined
      ? `size ${JSON.stringify(size)} is none`
      : !FILE_SYSTEMS.includes(fs)
        ? `file system ${fs} is not among ${FILE_SYSTEMS.join(", ")}`
        : uuid !== undefined && !/^[0-9a-f-]{36}$/i.test(uuid)
          ? `uuid ${JSON.stringify(uuid)} is none`
          : Object.keys(unknown).length > 0
            ? `option ${PREFIX}${Object.keys(unknown)[0]} is not known`
            : undefined;
  if (why !== undefined || bytes === undefined) {
    throw new ContainerdError({
      code: "invalid_argument",
      what: `cannot make a file system in ${mount.source}`,
      ...(why === undefined ? {} : { why }),
    });
  }
  const quiet =
    fs === "xfs"
      ? ["-q", ...(uuid === undefined ? [] : ["-m", `uuid=${uuid}`])]
      : ["-q", "-F", ...(uuid === undefined ? [] : ["-U", uuid])];
  return { size: bytes, argv: [`mkfs.${fs}`, ...quiet] };
}

/** `100MiB`, `1G`, `4096`: powers of 1024 whatever the spelling. */
function parseSize(text: string): number | undefined {
  const [, number, unit = ""] = /^(\d{1,12})\s*([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
