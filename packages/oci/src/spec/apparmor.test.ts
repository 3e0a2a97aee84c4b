import { expect, test } from "bun:test";
import { type AppArmorFacts, defaultAppArmorProfile, withDefaultAppArmor } from "./apparmor.ts";
import { defaultSpec } from "./default-spec.ts";
import type { SpecHost } from "./option.ts";

const facts: AppArmorFacts = { includes: [], own: "unconfined", rootlesskit: undefined };

/** What the deny rules with `access` hold back, as one expression over whole paths. AppArmor's globbing, apparmor.d(5). */
function refused(access: string): RegExp {
  const rules = defaultAppArmorProfile("p", facts).matchAll(/^ {2}deny (\S+) ([a-z]+),$/gm);
  const paths = [...rules].filter(([, , modes]) => modes?.includes(access)).map(([, path]) => path ?? "");
  const sources = paths.map((path) => path.replace("@{PROC}", "/proc").replaceAll("**", ".+").replaceAll("*", "[^/]*"));
  return new RegExp(`^(?:${sources.join("|")})$`);
}

test.each([
  ["w", "/proc/sysrq-trigger", true],
  ["r", "/proc/kcore", true],
  ["w", "/proc/acpi/wakeup", true],
  ["w", "/proc/scsi/scsi", true],
  ["w", "/proc/systemd/x", true],
  ["w", "/proc/1/oom_score_adj", false],
  ["w", "/proc/4711/attr/current", false],
  ["w", "/proc/sys/net/ipv4/ip_forward", true],
  ["w", "/proc/sys/vm/drop_caches", true],
  ["w", "/proc/sys/kernel/core_pattern", true],
  ["w", "/proc/sys/kernel/sysrq", true],
  ["w", "/proc/sys/kernel/shmmax", false],
  ["w", "/proc/sys/kernel/shm_rmid_forced", false],
  ["r", "/proc/sys/kernel/core_pattern", false],
  ["w", "/sys/class/net/x", true],
  ["w", "/sys/fs/bpf/x", true],
  ["w", "/sys/fs/cgroup/memory/x", false],
  ["w", "/sys/fs/cgroups/x", true],
  ["r", "/sys/class/net/x", false],
  ["r", "/sys/firmware/acpi/tables", true],
  ["r", "/sys/devices/virtual/powercap/intel-rapl/energy_uj", true],
  ["r", "/sys/kernel/security/apparmor/profiles", true],
  ["w", "/etc/passwd", false],
])("defaultAppArmorProfile() on %s of %s: refused is %p", (access, path, wanted) => {
  expect(refused(access).test(path)).toBe(wanted);
});

test("defaultAppArmorProfile() lets the runtimes, its maker and itself send signals", () => {
  const rules = (own: string, rootlesskit?: string) =>
    [...defaultAppArmorProfile("p", { ...facts, own, rootlesskit }).matchAll(/^ {2}signal (.*),$/gm)].map(
      ([, rule]) => rule,
    );
  const runtimes = ["(receive) peer=unconfined", "(receive) peer=runc", "(receive) peer=crun"];
  expect(rules("unconfined")).toEqual([...runtimes, "(send,receive) peer=p"]);
  expect(rules("maker", "/usr/bin/rootlesskit")).toEqual([
    ...runtimes,
    "(receive) peer=maker",
    "(receive) peer=/usr/bin/rootlesskit",
    "(send,receive) peer=p",
  ]);
});

test("defaultAppArmorProfile() includes what the system has", () => {
  const includes = ["abi/3.0", "tunables/global", "abstractions/base"];
  const full = defaultAppArmorProfile("p", { ...facts, includes });
  expect(full).toStartWith(
    "abi <abi/3.0>,\n#include <tunables/global>\nprofile p flags=(attach_disconnected,mediate_deleted) {\n  #include <abstractions/base>\n",
  );
  expect(defaultAppArmorProfile("p", facts)).toStartWith("@{PROC}=/proc/\nprofile p flags=");
});

/** A kernel with AppArmor, as far as it is asked here. */
function kernelWith(profiles: string | undefined, loaded: string[]): SpecHost {
  return {
    hostname: "h",
    architecture: "amd64",
    kernel: [6, 1],
    effectiveCapabilities: async () => [],
    parseYaml: () => undefined,
    stat: async () => ({ kind: "other" }),
    realPath: async (path) => (path === "/etc/apparmor.d/tunables/global" ? path : undefined),
    async readFile(path) {
      const text = path.startsWith("/proc") ? "docker-default (enforce)\n" : profiles;
      if (text === undefined) throw new Error(`open ${path}: no such file or directory`);
      return new TextEncoder().encode(text);
    },
    async loadAppArmor(profile) {
      loaded.push(profile);
      if (profile.includes("profile broken ")) throw new Error("syntax error");
    },
  };
}

async function ask(name: string, host: SpecHost) {
  const names = { namespace: "default", id: "x" };
  const rootfs = { readFile: async () => undefined };
  return withDefaultAppArmor(name)(defaultSpec(names), { ...names, rootfs, host });
}

test("withDefaultAppArmor() loads the profile under the name asked for, unless one of it is loaded", async () => {
  const loaded: string[] = [];
  const host = kernelWith("other (enforce)\nthere (complain)\nfresh-not (enforce)\n", loaded);
  expect((await ask("there", host)).process?.apparmorProfile).toBe("there");
  expect(loaded).toEqual([]);
  expect((await ask("fresh", host)).process?.apparmorProfile).toBe("fresh");
  expect(loaded).toEqual([
    defaultAppArmorProfile("fresh", { includes: ["tunables/global"], own: "docker-default", rootlesskit: undefined }),
  ]);
});

test("withDefaultAppArmor() says why it cannot load", async () => {
  await expect(ask("broken", kernelWith("", []))).rejects.toThrow("load apparmor profile broken: syntax error");
  await expect(ask("any", kernelWith(undefined, []))).rejects.toMatchObject({
    message: "open /sys/kernel/security/apparmor/profiles: no such file or directory",
    fix: expect.stringContaining("apparmor=1"),
  });
});

test.each(["", "a b", "a{", "a\n}", "a,b", "#x", 'a"'])("withDefaultAppArmor() refuses the name %p", async (name) => {
  const loaded: string[] = [];
  await expect(ask(name, kernelWith("", loaded))).rejects.toThrow("is no name of an AppArmor profile");
  expect(loaded).toEqual([]);
});
