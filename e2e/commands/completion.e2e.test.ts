import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { openTerminal, type TerminalSession } from "../support/terminal.ts";

const image = "docker.io/library/busybox:latest";

/** An engine with one thing of each kind, told apart by their first letters. */
interface Harbour {
  readonly daemon: PrivateContainerd;
  readonly address: string;
  readonly namespace: string;
  readonly digest: string;
  readonly chain: string;
}

async function fill(daemon: PrivateContainerd, address: string): Promise<Harbour> {
  const namespace = `harbour-${process.pid}`;
  const ctr = (...words: readonly string[]) =>
    mustRun([ourCtr, "--address", address, "--namespace", namespace, ...words]);
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await ctr("images", "import", "--local", "--base-name", "docker.io/library/busybox", archive);
  await ctr("run", "-d", image, "sailing", "sleep", "inf");
  await ctr("containers", "create", image, "moored");
  await ctr("leases", "create", "--id", "lighthouse");
  // A shell would run it, or take it for two words.
  await ctr("leases", "create", "--id", "light$(id)");
  const digest = (await ctr("content", "ls", "-q")).split("\n")[0] ?? "";
  const chain = /^(sha256:\w+)/m.exec(await ctr("snapshots", "ls"))?.[1] ?? "";
  return { daemon, address, namespace, digest, chain };
}

const backends = {
  containerd: async () => {
    const daemon = await startContainerd();
    return fill(daemon, daemon.address);
  },
  embedded: async () => {
    const daemon = await startServe();
    return fill(daemon, `embedded://${daemon.root}`);
  },
};

const starts = {
  bash: { argv: ["bash", "--norc", "--noprofile", "-i"], script: "source <(ctr completion bash)" },
  zsh: {
    argv: ["zsh", "-f", "-i"],
    script: "autoload -U compinit; compinit -D -u; source <(ctr completion zsh)",
  },
  fish: { argv: ["fish", "--no-config", "-i"], script: "ctr completion fish | source" },
};

/** Lines as typed before the Tab key, and the last argument that the command then gets. */
function typedLines({ namespace, digest, chain }: Harbour): readonly (readonly [string, string])[] {
  return [
    ["images pul", "pull"],
    ["tasks exec --exec", "--exec-id"],
    ["images rm docker.io/lib", image],
    ["images tag docker.io/library/busybox:l", image],
    ["containers info moo", "moored"],
    ["tasks kill -s 9 sai", "sailing"],
    ["snapshots info moo", "moored"],
    [`snapshots info ${chain.slice(0, 12)}`, chain],
    ["leases delete lightho", "lighthouse"],
    [`content get ${digest.slice(0, 14)}`, digest],
    [`-n ${namespace.slice(0, 9)}`, namespace],
    [`--namespace=${namespace.slice(0, 9)}`, `--namespace=${namespace}`],
  ];
}

/** A `ctr` that is ours for completing, and shows its arguments otherwise. */
async function makeProgram(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-completion-"));
  const path = join(dir, "ctr");
  await writeFile(
    path,
    `#!/bin/sh
case $1 in __complete | completion) exec '${ourCtr}' "$@" ;; esac
printf 'got'
printf ' <%s>' "$@"
echo ' end'
`,
  );
  await chmod(path, 0o755);
  return dir;
}

async function openShell(shell: keyof typeof starts, dir: string): Promise<TerminalSession> {
  const { argv, script } = starts[shell];
  const env = { PATH: `${dir}:${process.env["PATH"]}`, PS1: "$ ", HOME: dir, XDG_CONFIG_HOME: dir, TERM: "xterm" };
  const terminal = openTerminal(argv, { env, columns: 400 });
  terminal.type(`${script}; echo rea""dy\r`);
  await terminal.waitFor(/ready/);
  return terminal;
}

/** What the command of a typed line got as its last argument; the keys are all sent at once, as shells read in order. */
async function lastArgument(terminal: TerminalSession, line: string, from: number): Promise<string> {
  terminal.type(`${line}\t\r`);
  await terminal.waitFor(new RegExp(`^[^]{${from},}<[^<>]*> end`));
  return /<([^<>]*)> end/.exec(terminal.output.slice(from))?.[1] ?? "";
}

describe.each(["containerd", "embedded"] as const)("on %s", (backend) => {
  let harbour: Harbour;
  let dir: string;
  beforeAll(async () => {
    [harbour, dir] = await Promise.all([backends[backend](), makeProgram()]);
  });
  afterAll(async () => {
    await harbour.daemon[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  test.each(["bash", "zsh", "fish"] as const)(
    "the Tab key in %s completes words, flags and live names",
    async (shell) => {
      using terminal = await openShell(shell, dir);
      for (const [typed, expected] of typedLines(harbour)) {
        const own = typed.startsWith("-") ? "" : ` -n ${harbour.namespace}`;
        const line = `ctr --address ${harbour.address}${own} ${typed}`;
        const got = await lastArgument(terminal, line, terminal.output.length);
        expect({ typed, got }).toEqual({ typed, got: expected });
      }
    },
  );

  test("names that a shell could take for something else are not offered", async () => {
    const words = ["--address", harbour.address, "-n", harbour.namespace, "leases", "rm", "light"];
    const { stdout } = await run([ourCtr, "__complete", ...words]);
    expect(stdout).toBe("words\nlighthouse\n");
  });

  test("address and namespace of the environment are those asked", async () => {
    const env = { CONTAINERD_ADDRESS: harbour.address, CONTAINERD_NAMESPACE: harbour.namespace };
    const { stdout } = await run([ourCtr, "__complete", "images", "rm", "docker.io/"], { env });
    expect(stdout).toBe(`words\n${image}\n`);
  });
});

/** More than the program promises, which is 300 ms: the machine may be busy. */
const SOON_MS = 600;

test("nobody at the socket, or one who never answers: no names, no word, exit 0, soon", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-completion-"));
  await using server = await listen(join(dir, "mute.sock"));
  try {
    for (const address of [join(dir, "none.sock"), server.path, "embedded:///nowhere/at/all", ""]) {
      const start = performance.now();
      const outcome = await run([ourCtr, "__complete", "--address", address, "images", "rm", ""]);
      expect({ address, ...outcome }).toEqual({ address, code: 0, stdout: "words\n", stderr: "" });
      expect(performance.now() - start).toBeLessThan(SOON_MS);
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});

async function listen(path: string): Promise<AsyncDisposable & { readonly path: string }> {
  const server: Server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
