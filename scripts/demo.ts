import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { forgetStore } from "../e2e/support/engine.ts";
import { archiveOf, busyboxLayout, pushLayout } from "../e2e/support/images.ts";
import { startRegistry } from "../e2e/support/registry.ts";

/** The walk of `npm run demo`, and the transcript that README shows: every line is run, and what it prints is what it printed. */
const ctr = resolve(import.meta.dir, "../dist/ctr");

const image = "docker.io/library/busybox:latest";

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("the demo starts containers, so it must run as root");
  const dir = await mkdtemp(join(tmpdir(), "ctr-demo-"));
  try {
    await walk(dir);
  } finally {
    await forgetStore(join(dir, "store"));
    await rm(dir, { recursive: true, force: true });
  }
  say(`done; everything of this demo lived below ${dir} and is gone now`);
}

async function walk(dir: string): Promise<void> {
  await using registry = await startRegistry();
  const layout = await busyboxLayout();
  await archiveOf(layout, join(dir, "busybox.tar"));
  await pushLayout(registry.host, "library/busybox", "latest", layout);
  // This machine may have no network: docker.io is the private registry here.
  await mkdir(join(dir, "hosts/docker.io"), { recursive: true });
  await writeFile(join(dir, "hosts/docker.io/hosts.toml"), `[host."http://${registry.host}"]\n`);
  const type = (...words: readonly string[]) => show(words, dir);
  say("a private registry is up, and there is no containerd; from here on every line is a command");
  await type("images", "import", "--base-name", "example.com/busybox", "busybox.tar");
  await type("run", "--rm", "example.com/busybox:latest", "hello", "echo", "hello from an archive");
  await type("images", "rm", "--sync", "example.com/busybox:latest");
  await type("images", "pull", "--hosts-dir", "hosts", image);
  await type("images", "ls");
  await type("run", "-d", image, "web", "sleep", "1000");
  await type("tasks", "ls");
  await type("tasks", "exec", "--exec-id", "look", "web", "ps");
  await type("tasks", "metrics", "web");
  await type("tasks", "kill", "-s", "SIGKILL", "web");
  await type("tasks", "rm", "web");
  await type("containers", "rm", "web");
  await type("images", "rm", image);
}

function say(text: string): void {
  process.stderr.write(`demo: ${text}\n`);
}

/** Runs one line of the walk and prints it as a terminal would show it; fails the demo when the line fails. */
async function show(words: readonly string[], dir: string): Promise<void> {
  process.stdout.write(`$ ${["ctr", ...words].map(quote).join(" ")}\n`);
  const env = { ...process.env, CONTAINERD_ADDRESS: `embedded://${dir}/store` };
  const child = Bun.spawn([ctr, ...words], { cwd: dir, env, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  process.stdout.write(lastFrame(await new Response(child.stdout).text()));
  if ((await child.exited) !== 0) throw new Error(`\`ctr ${words.join(" ")}\` failed`);
}

function quote(word: string): string {
  return /[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word;
}

/** A pull draws many frames; a terminal shows the last. Colours are left out. */
function lastFrame(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes start with a control character.
  const plain = text.replace(/\u001b\[\d*[A-Za-z]/g, "");
  const start = plain.lastIndexOf(`${plain.split(/\s/, 1)[0]}  `);
  return start > 0 && /resolv/.test(plain) ? plain.slice(start) : plain;
}

await main();
