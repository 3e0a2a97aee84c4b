import type { RootfsReader, SpecContext } from "./option.ts";
import { refuse, type SpecOption, withProcess } from "./option.ts";
import { readGroups, readUsers } from "./passwd.ts";
import type { SpecUser } from "./types.ts";

const MAX_ID = 2 ** 31 - 1;

/** `--user` and an image's User: uid and gid by name or number, then the groups that list the user. */
export function withUser(text: string): SpecOption {
  return async (spec, context) => {
    const user = await resolveUser(text, context.rootfs);
    return withAdditionalGids(text)(withProcess(spec, { user }), context);
  };
}

/** Uid and gid of `text`: `U`, `UID`, `U:G`, `UID:GID` or mixed. Files are read only where a name asks for it. */
export async function resolveUser(text: string, rootfs: RootfsReader): Promise<SpecUser> {
  const [user = "", group, ...surplus] = text.split(":");
  if (surplus.length > 0) throw refuse(`invalid USER value ${text}`, "write user, uid, user:group or uid:gid");
  const uid = parseId(user, text, "uid");
  if (group === undefined) return uid === undefined ? userByName(user, rootfs) : userById(uid, rootfs);
  const gid = parseId(group, text, "gid");
  return {
    uid: uid ?? (user === "" ? 0 : (await userByName(user, rootfs)).uid),
    gid: gid ?? (group === "" ? 0 : await groupByName(group, rootfs)),
  };
}

/** The number `part` is, or undefined where it is a name. */
function parseId(part: string, text: string, what: string): number | undefined {
  if (!/^[+-]?\d+$/.test(part)) return undefined;
  return checkId(Number(part), text, what);
}

/** An id as the kernel would take it, never wrapped to another: an image's passwd may say anything (R15). */
function checkId(id: number, text: string, what: string): number {
  if (id < 0 || id > MAX_ID) throw refuse(`invalid USER value "${text}": ${what} out of range`);
  return id;
}

/** A bare number need not be in passwd; its gid is then 0. */
async function userById(uid: number, rootfs: RootfsReader): Promise<SpecUser> {
  const found = (await readUsers(rootfs))?.find((user) => user.uid === uid);
  return { uid, gid: checkId(found?.gid ?? 0, String(uid), "gid") };
}

async function userByName(name: string, rootfs: RootfsReader): Promise<SpecUser> {
  const users = await readUsers(rootfs);
  if (!users) throw refuse("openat etc/passwd: no such file or directory", "give the user as a number");
  const found = users.find((user) => user.name === name);
  if (!found) throw refuse("no users found", `the image's /etc/passwd has no user ${name}`);
  return { uid: checkId(found.uid, name, "uid"), gid: checkId(found.gid, name, "gid") };
}

async function groupByName(name: string, rootfs: RootfsReader): Promise<number> {
  const groups = await readGroups(rootfs);
  if (!groups) throw refuse("openat etc/group: no such file or directory", "give the group as a number");
  const found = groups.find((group) => group.name === name);
  if (!found) throw refuse("no groups found", `the image's /etc/group has no group ${name}`);
  return checkId(found.gid, name, "gid");
}

/**
 * Supplementary groups of the user `text` names, the primary group always first. The whole text is looked up, so
 * `user:group` finds none, as in the Go tool.
 */
export function withAdditionalGids(text: string): SpecOption {
  return async (spec, context) => {
    const user = spec.process?.user ?? { uid: 0, gid: 0 };
    const gids = await supplementaryGids(text, context);
    const all = gids.includes(user.gid) ? gids : [user.gid, ...gids];
    return withProcess(spec, { user: { ...user, additionalGids: all } });
  };
}

async function supplementaryGids(text: string, { rootfs }: SpecContext): Promise<readonly number[]> {
  const name = /^\d+$/.test(text) ? (await readUsers(rootfs))?.find((user) => user.uid === Number(text))?.name : text;
  if (name === undefined) return [];
  const groups = (await readGroups(rootfs)) ?? [];
  const joined = groups.filter((group) => group.name !== name && group.members.includes(name));
  return joined.map((group) => checkId(group.gid, group.name, "gid"));
}
