import type { RootfsReader } from "./option.ts";

/** A line of /etc/passwd. */
export interface PasswdUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A line of /etc/group. */
export interface PasswdGroup {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Users of the root filesystem; undefined where it has no /etc/passwd. */
export async function readUsers(rootfs: RootfsReader): Promise<readonly PasswdUser[] | undefined> {
  const lines = await readLines(rootfs, "etc/passwd");
  return lines?.map(([name = "", , uid, gid]) => ({ name, uid: toId(uid), gid: toId(gid) }));
}

/** Groups of the root filesystem; undefined where it has no /etc/group. */
export async function readGroups(rootfs: RootfsReader): Promise<readonly PasswdGroup[] | undefined> {
  const lines = await readLines(rootfs, "etc/group");
  return lines?.map(([name = "", , gid, members = ""]) => ({
    name,
    gid: toId(gid),
    members: members.split(",").filter((member) => member !== ""),
  }));
}

async function readLines(rootfs: RootfsReader, path: string): Promise<readonly (readonly string[])[] | undefined> {
  const bytes = await rootfs.readFile(path);
  if (bytes === undefined) return undefined;
  const lines = new TextDecoder().decode(bytes).split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** What is no number counts as 0, as in the Go tools; one that is no id is kept, for `checkId` to refuse. */
function toId(text: string | undefined): number {
  return /^[+-]?\d+$/.test(text ?? "") ? Number(text) : 0;
}
