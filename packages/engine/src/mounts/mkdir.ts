import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import { openAllowed } from "./allowed-tree.ts";

const OPTION = "X-containerd.mkdir.path=";
const MODE = 0o700;

interface WantedDirectory {
  readonly path: string;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Makes the directories that a mount's options name, parents too, and gives the mount without those options. One that is
 * there stays as it is. `permission_denied` outside of `roots`.
 */
export function makeDirectories(mount: Mount, roots: readonly string[]): Mount {
  for (const option of mount.options) {
    if (option.startsWith(OPTION)) makeDirectory(parseWanted(option), roots);
  }
  return { ...mount, options: mount.options.filter((option) => !option.startsWith(OPTION)) };
}

function makeDirectory({ path, mode, owner }: WantedDirectory, roots: readonly string[]): void {
  using place = openAllowed(roots, path);
  const { tree } = place;
  tree.open(place.path, (parent, name) => {
    if (!tree.makeDirectory(parent, name, MODE)) return;
    if (owner !== undefined) tree.setOwner(parent, name, owner);
    // After the owner, which would take setuid and setgid away.
    tree.setEntryMode(parent, name, mode);
  });
}

/** `<path>[:<octal mode>[:<uid>:<gid>]]`. */
function parseWanted(option: string): WantedDirectory {
  const text = option.slice(OPTION.length);
  const [, path = "", mode, uid, gid] = /^([^:]+)(?::([0-7]{1,4})(?::(\d{1,10}):(\d{1,10}))?)?$/.exec(text) ?? [];
  if (path === "") {
    const why = "wanted is PATH, PATH:MODE or PATH:MODE:UID:GID";
    throw new ContainerdError({ code: "invalid_argument", what: `cannot read mount option ${option}`, why });
  }
  const owner = uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
  return { path, mode: mode === undefined ? MODE : Number.parseInt(mode, 8), owner };
}
