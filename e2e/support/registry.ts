import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitForLine } from "./process.ts";

/** Debian's docker-registry on a loopback port of its own. */
export interface PrivateRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly dir: string;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and storage. */
  restart(): Promise<void>;
}

export interface RegistryOptions {
  /** Lines of YAML to add at top level (auth). */
  readonly extra?: string;
  /** Lines of YAML to add under `http:` (tls), indented by two. */
  readonly http?: string;
}

/** Starts a registry and resolves once it listens. */
export async function startRegistry(options: RegistryOptions = {}): Promise<PrivateRegistry> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-registry-"));
  const config = join(dir, "config.yml");
  const write = (addr: string) =>
    writeFile(
      config,
      `version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: ${dir}/data
  delete:
    enabled: true
http:
  addr: ${addr}
  secret: test
${options.http ?? ""}${options.extra ?? ""}`,
    );
  await write("127.0.0.1:0");
  let server = await boot(config);
  await write(server.host);
  const end = async (signal: NodeJS.Signals) => {
    server.child.kill(signal);
    await server.child.exited;
  };
  const { host } = server;
  return {
    host,
    dir,
    kill: end,
    async restart() {
      server = await boot(config);
    },
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function boot(config: string) {
  const child = Bun.spawn(["docker-registry", "serve", config], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const found = await waitForLine(child.stderr, /listening on (127\.0\.0\.1:\d+)/, "docker-registry");
  return { child, host: found[1] ?? "" };
}
