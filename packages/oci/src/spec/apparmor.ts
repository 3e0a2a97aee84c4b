import { refuse, type SpecHost, type SpecOption, withProcess } from "./option.ts";

const LOADED = "/sys/kernel/security/apparmor/profiles";
const SYSTEM = "/etc/apparmor.d";
/** The profile's text is made of the name: nothing in it may end the name. */
const NAME = /^[A-Za-z0-9/][A-Za-z0-9_./-]*$/;

/** `--apparmor-profile`: one that is loaded. */
export function withAppArmorProfile(name: string): SpecOption {
  return (spec) => withProcess(spec, { apparmorProfile: name });
}

/** `--apparmor-default-profile`: the built-in one, loaded under this name unless one of that name is loaded. */
export function withDefaultAppArmor(name: string): SpecOption {
  return async (spec, { host }) => {
    if (!NAME.test(name)) throw refuse(`"${name}" is no name of an AppArmor profile`);
    const loaded = new TextDecoder().decode(await readLoaded(host));
    const isLoaded = loaded.split("\n").some((line) => line.startsWith(`${name} (`));
    if (!isLoaded) await load(name, host);
    return withProcess(spec, { apparmorProfile: name });
  };
}

async function readLoaded(host: SpecHost): Promise<Uint8Array> {
  try {
    return await host.readFile(LOADED);
  } catch (error) {
    throw refuse(
      error instanceof Error ? error.message : String(error),
      "this kernel runs without AppArmor: start it with apparmor=1 security=apparmor, or leave the flag out",
    );
  }
}

async function load(name: string, host: SpecHost): Promise<void> {
  const profile = defaultAppArmorProfile(name, await factsOf(host));
  try {
    await host.loadAppArmor(profile);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw refuse(`load apparmor profile ${name}: ${why}`, "the program comes with the package apparmor");
  }
}

/** What the profile depends on. */
export interface AppArmorFacts {
  /** Files of the system's own profiles that are there, relative to their directory. */
  readonly includes: readonly string[];
  /** The profile this process runs under. */
  readonly own: string;
  /** Path of rootlesskit; undefined where it is not installed. */
  readonly rootlesskit: string | undefined;
}

async function factsOf(host: SpecHost): Promise<AppArmorFacts> {
  const wanted = ["abi/3.0", "tunables/global", "abstractions/base"];
  const there = await Promise.all(wanted.map((file) => host.realPath(`${SYSTEM}/${file}`)));
  const kits = await Promise.all(["/usr/local/bin", "/usr/bin"].map((dir) => host.realPath(`${dir}/rootlesskit`)));
  const current = await host.readFile("/proc/self/attr/current").catch(() => new Uint8Array());
  // `name (enforce)`, and a null byte at the end.
  const [own = ""] = new TextDecoder()
    .decode(current)
    .replace(/[\0\n]/g, "")
    .split(" ");
  return {
    includes: wanted.filter((_file, index) => there[index] !== undefined),
    own: own || "unconfined",
    rootlesskit: kits.find((path) => path !== undefined),
  };
}

/** Reference: the Go tool's built-in profile, rule by rule; what a name must not start with is told letter by letter. */
export function defaultAppArmorProfile(name: string, { includes, own, rootlesskit }: AppArmorFacts): string {
  const has = (file: string) => includes.includes(file);
  const senders = [
    ...new Set(["unconfined", "runc", "crun", own, ...(rootlesskit === undefined ? [] : [rootlesskit])]),
  ];
  const head = [
    ...(has("abi/3.0") ? ["abi <abi/3.0>,"] : []),
    has("tunables/global") ? "#include <tunables/global>" : "@{PROC}=/proc/",
  ];
  const rules = [
    ...(has("abstractions/base") ? ["#include <abstractions/base>"] : []),
    // What is not named below is not held back here: capabilities and seccomp have their own say.
    ...["network", "capability", "file", "umount"],
    ...senders.map((peer) => `signal (receive) peer=${peer}`),
    `signal (send,receive) peer=${name}`,
    `ptrace (trace,tracedby,read,readby) peer=${name}`,
    "deny mount",
    ...writesRefused.map((path) => `deny ${path} w`),
    ...["sysrq-trigger", "kcore"].map((file) => `deny @{PROC}/${file} rwklx`),
    ...sysRefused.map((path) => `deny ${path} wklx`),
    ...["firmware", "devices/virtual/powercap", "kernel/security"].map((dir) => `deny /sys/${dir}/** rwklx`),
  ];
  const lines = rules.map((rule) => (rule.startsWith("#") ? `  ${rule}` : `  ${rule},`));
  return [...head, `profile ${name} flags=(attach_disconnected,mediate_deleted) {`, ...lines, "}", ""].join("\n");
}

/** /proc but for the directories of processes, and /proc/sys but for kernel/shm*. */
const writesRefused: readonly string[] = [
  "@{PROC}/*",
  ...otherThan("@{PROC}/", "sys", "[^1-9s/]"),
  ...otherThan("@{PROC}/sys/", "kernel"),
  ...startingOtherThan("@{PROC}/sys/kernel/", "shm"),
];

/** /sys but for fs/cgroup. */
const sysRefused: readonly string[] = [...otherThan("/sys/", "fs"), ...otherThan("/sys/fs/", "cgroup")];

/** Patterns for all below `parent` but for what is called `name`. */
function otherThan(parent: string, name: string, first?: string): readonly string[] {
  return [...startingOtherThan(parent, name, first), `${parent}${name}[^/]**`];
}

/** Patterns for all below `parent` that begins in another way than `word`: the language has no "not". */
function startingOtherThan(parent: string, word: string, first = `[^${word[0]}/]`): readonly string[] {
  const others = [...word].map((letter) => `[^${letter}/]`);
  return others.map((other, at) => `${parent}${at === 0 ? first : `${word.slice(0, at)}${other}`}**`);
}
