import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, type Outcome, run } from "./process.ts";

/** A network namespace that stands for a host, with a bridge network configured for it. */
export interface CniHost extends AsyncDisposable {
  /** Of the namespace, below /run/netns. */
  readonly name: string;
  readonly dir: string;
  readonly configDir: string;
  /** For commands that are to find the configuration. */
  readonly env: Readonly<Record<string, string>>;
  /** Puts a configuration in the place of whatever is there. */
  configure(name: string, config: unknown): Promise<void>;
  /** `argv` as a command on that host. */
  on(...argv: readonly string[]): readonly string[];
  run(...argv: readonly string[]): Promise<Outcome>;
  /** All that a container may leave behind: interfaces, firewall rules, addresses, attachments, namespaces. */
  remains(id: string): Promise<readonly string[]>;
}

export const CNI_PLUGINS = "/usr/lib/cni";
let next = 0;

/** Makes one. The host's own network is not touched: bridge, rules and addresses are in the namespace. */
export async function openCniHost(): Promise<CniHost> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-cni-"));
  const name = `ctr-cni-${process.pid}-${next++}`;
  await mustRun(["ip", "netns", "add", name]);
  const on = (...argv: readonly string[]) => ["nsenter", `--net=/run/netns/${name}`, ...argv];
  await mustRun(on("ip", "link", "set", "lo", "up"));
  const configDir = join(dir, "net.d");
  await mkdir(configDir);
  const host: CniHost = {
    name,
    dir,
    configDir,
    env: { NETCONFPATH: configDir, CNI_PATH: CNI_PLUGINS },
    async configure(file, config) {
      for (const old of await readdir(configDir)) await rm(join(configDir, old));
      await writeFile(join(configDir, file), JSON.stringify(config));
    },
    on,
    run: (...argv) => run(on(...argv)),
    async remains(id) {
      const links = await mustRun(on("ip", "-o", "link", "show", "type", "veth"));
      const rules = (await mustRun(on("iptables-save"))).split("\n").filter((line) => line.includes(id));
      const addresses = await readdir(join(dir, "ipam", "test")).catch(() => []);
      const kept = ["/var/lib/cni/results", "/run/ctr/netns"].map((parent) =>
        readdir(parent).catch((): string[] => []),
      );
      return [
        ...links.split("\n").filter((line) => line !== ""),
        ...rules,
        ...addresses.filter((file) => /^[0-9.]+$/.test(file)),
        ...(await Promise.all(kept)).flat().filter((file) => file.includes(id)),
      ];
    },
    async [Symbol.asyncDispose]() {
      await run(["ip", "netns", "delete", name]);
      if (existsSync(dir)) await rm(dir, { recursive: true });
    },
  };
  await host.configure("10-test.conflist", bridgeConfig(dir));
  return host;
}

/** A bridge with addresses of its own, rules for the way out, and port 8080 of the host leading to port 80. */
export function bridgeConfig(dir: string, more: readonly unknown[] = []) {
  return {
    cniVersion: "0.4.0",
    name: "test",
    plugins: [
      {
        type: "bridge",
        bridge: "ctrtest0",
        isGateway: true,
        ipMasq: true,
        ipam: {
          type: "host-local",
          dataDir: join(dir, "ipam"),
          ranges: [[{ subnet: "10.231.7.0/24" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] } },
      ...more,
    ],
  };
}
