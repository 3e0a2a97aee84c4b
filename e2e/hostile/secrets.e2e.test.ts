import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore, processesOf, stateOf } from "../support/engine.ts";
import { busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { startProxy } from "../support/proxy.ts";
import { type RawRequest, type RawServer, type Reply, sendReply, startRawServer } from "../support/raw-server.ts";
import { challengeReply, jsonReply, memoryImage, secrets, TokenRegistry } from "../support/token-registry.ts";

/**
 * A password and tokens, given in every way there is, to a registry that answers in every way there is: they are on the
 * wire to whom they are for, and nowhere else.
 */
const { user, password, token } = secrets;
const refresh = "rfs-77d01c";
const basic = Buffer.from(`${user}:${password}`).toString("base64");
const forms = [password, token, refresh, basic, Buffer.from(password).toString("hex")];

let dir = "";
let registry: TokenRegistry;
let server: RawServer;
let other: RawServer;
let spoil: ((request: RawRequest) => Reply | "silence" | undefined) | undefined;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-secrets-"));
  registry = new TokenRegistry(await memoryImage((await busyboxLayout()).dir), "lib/app", "1");
  other = await startRawServer((request, socket) =>
    sendReply(request, socket, { status: 200, body: registry.image.blobs.get(request.path.slice(1)) ?? "" }),
  );
  server = await startRawServer((request, socket) => {
    const spoilt = spoil?.(request);
    if (spoilt !== "silence") sendReply(request, socket, spoilt ?? registry.reply(request));
  });
});
afterAll(async () => {
  await Promise.all([server[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
  await rm(dir, { recursive: true, force: true });
});

interface Given {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly reference?: string;
  /** It proves nothing to this registry, which turns it away. */
  readonly refused?: true;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(dir, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, text);
  return path;
}

async function helper(script: string): Promise<Readonly<Record<string, string>>> {
  const name = `helper-${Bun.hash(script).toString(36)}`;
  await chmod(await file(`${name}/docker-credential-e2e`, `#!/bin/sh\ncat >/dev/null\n${script}\n`), 0o755);
  await file(`${name}/config.json`, JSON.stringify({ credsStore: "e2e" }));
  return { DOCKER_CONFIG: join(dir, name), PATH: `${join(dir, name)}:${process.env["PATH"]}` };
}

const auths = (entry: Readonly<Record<string, string>>) => JSON.stringify({ auths: { [server.host]: entry } });
const configDir = async (name: string, text: string) => join(await file(`${name}/config.json`, text), "..");
const answer = JSON.stringify({ Username: user, Secret: password });

async function hostsDir(name: string, toml: string): Promise<Given> {
  await file(`${name}/registry.test/hosts.toml`, toml);
  return { flags: ["--hosts-dir", join(dir, name)], reference: "registry.test/lib/app:1", refused: true };
}

const ways: readonly (readonly [string, () => Promise<Given>])[] = [
  ["--user", async () => ({ flags: ["--user", `${user}:${password}`] })],
  ["-u=", async () => ({ flags: [`-u=${user}:${password}`] })],
  ["--refresh", async () => ({ flags: ["--refresh", refresh] })],
  ["docker login", async () => ({ env: { DOCKER_CONFIG: await configDir("docker", auths({ auth: basic })) } })],
  [
    "an identity token",
    async () => ({ env: { DOCKER_CONFIG: await configDir("id", auths({ identitytoken: refresh })) } }),
  ],
  ["podman login", async () => ({ env: { REGISTRY_AUTH_FILE: await file("auth.json", auths({ auth: basic })) } })],
  ["a helper", async () => ({ env: await helper(`echo '${answer}'`) })],
  ["a helper that fails", async () => ({ env: await helper(`echo '${answer}'; exit 1`), refused: true })],
  [
    "a helper's noise",
    async () => ({ env: await helper(`echo '${password}'; echo '${password}' >&2`), refused: true }),
  ],
  [
    "a broken config",
    async () => ({ env: { DOCKER_CONFIG: await configDir("broken", `{"auth": "${basic}`) }, refused: true }),
  ],
  [
    "a config that is not base64",
    async () => ({ env: { DOCKER_CONFIG: await configDir("plain", auths({ auth: password })) }, refused: true }),
  ],
  [
    "a hosts.toml's header",
    () =>
      hostsDir(
        "h1",
        `[host."http://${server.host}".header]\nx-registry-key = "${password}"\nAuthorization = "Basic ${basic}"\n`,
      ),
  ],
  ["a hosts.toml's URL", () => hostsDir("h2", `server = "http://${user}:${password}@${server.host}"\n`)],
  ["a hosts.toml's bad URL", () => hostsDir("h3", `server = "ftp://${user}:${password}@${server.host}"\n`)],
  ["a reference", async () => ({ reference: `${user}:${password}@${server.host}/lib/app:1`, refused: true })],
  [
    "a URL for a reference",
    async () => ({ reference: `http://${user}:${password}@${server.host}/lib/app:1`, refused: true }),
  ],
  [
    "a proxy that is down",
    async () => ({
      env: { HTTP_PROXY: `http://${user}:${password}@127.0.0.1:1` },
      reference: "registry.test/lib/app:1",
      refused: true,
    }),
  ],
  [
    "a proxy of no known kind",
    async () => ({
      env: { HTTP_PROXY: `socks5://${user}:${password}@p:1` },
      reference: "registry.test/lib/app:1",
      refused: true,
    }),
  ],
];

/** Where something is refused or broken, how a secret was given matters less than which of the three it is. */
function waysFor(fault: string): typeof ways {
  if (fault === "all is well" || fault === "every answer is 401") return ways;
  return ways.filter(([way]) => ["--user", "--refresh", "a hosts.toml's header"].includes(way));
}

const isToken = ({ path }: RawRequest): boolean => path === "/token";
const always = (status: number, body = "{}"): Reply => ({ status, body, headers: { "Retry-After": "0" } });
const errors = (code: string) => JSON.stringify({ errors: [{ code, message: "no" }] });

const faults: readonly (readonly [string, typeof spoil, readonly string[]])[] = [
  ["all is well", undefined, []],
  ["every answer is 401", (request) => (isToken(request) ? undefined : challengeReply(request)), []],
  ["every answer is 403", () => always(403, errors("DENIED")), []],
  ["nothing is found", (request) => (authorized(request) ? always(404, errors("MANIFEST_UNKNOWN")) : undefined), []],
  ["the server fails", (request) => (authorized(request) ? always(500) : undefined), []],
  ["the token service refuses", (request) => (isToken(request) ? always(401, errors("UNAUTHORIZED")) : undefined), []],
  ["the token service fails", (request) => (isToken(request) ? always(503) : undefined), []],
  [
    "a token is cut short",
    (request) => (isToken(request) ? { status: 200, body: `{"token":"${token}` } : undefined),
    [],
  ],
  [
    "a token has a line break",
    (request) => (isToken(request) ? jsonReply({ token: `${token}\r\nx: y` }) : undefined),
    [],
  ],
  ["a token is no text", (request) => (isToken(request) ? jsonReply({ token: [token] }) : undefined), []],
  ["layers are elsewhere", (request) => (isBlob(request) ? elsewhere(request) : undefined), []],
  ["the token service is elsewhere", (request) => (isToken(request) ? elsewhere(request) : undefined), []],
  [
    "a redirect cannot be read",
    (request) => (authorized(request) ? { status: 307, headers: { Location: "http://[" } } : undefined),
    [],
  ],
  ["nobody answers", () => "silence", []],
  ["there is no TLS", undefined, ["--tls"]],
];

function authorized({ headers }: RawRequest): boolean {
  return headers["authorization"] === `Bearer ${token}`;
}
function isBlob(request: RawRequest): boolean {
  return authorized(request) && request.path.includes("/blobs/");
}
function elsewhere({ path }: RawRequest): Reply {
  return { status: 307, headers: { Location: `http://${other.host}/${path.split("/").at(-1)}?sig=${token}` } };
}

const bare = {
  ...{ HOME: "", XDG_RUNTIME_DIR: "", DOCKER_CONFIG: "", REGISTRY_AUTH_FILE: "" },
  ...{ HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "", CTR_REGISTRY_TIMEOUT: "300ms" },
};

/** No secret in `text`, in any form. */
function expectClean(text: string, what: string): void {
  const leaked = forms.filter((form) => text.includes(form));
  expect({ what, leaked, text: text.replaceAll("\0", " ") }).toMatchObject({ what, leaked: [] });
}

test.each(faults)(
  "R1: secrets: when %s, no password or token is printed or stored, in whatever way it was given",
  async (what, spoilt, flags) => {
    const root = join(dir, `root-${Bun.hash(what).toString(36)}`);
    spoil = spoilt;
    const plain = flags.length === 0 ? ["--plain-http"] : [];
    for (const [way, give] of waysFor(what)) {
      const given = await give();
      const reference = given.reference ?? `${server.host}/lib/app:1`;
      for (const local of [[], ["--local"]]) {
        const words = [
          "images",
          "pull",
          ...local,
          ...plain,
          "--http-dump",
          "--http-trace",
          ...(given.flags ?? []),
          reference,
        ];
        const argv = [ourCtr, "--debug", "-a", `embedded://${root}`, ...words];
        const { code, stdout, stderr } = await run(argv, { env: { ...bare, ...given.env } });
        expectClean(stdout + stderr, `${way} ${local}`);
        if (given.refused !== true && spoilt === undefined && plain.length > 0)
          expect({ way, code, stderr }).toMatchObject({ code: 0 });
      }
    }
    expectClean(other.received().toString("latin1").replaceAll(`sig=${token}`, ""), "the other origin");
    await expectNothingStored(root);
    await forgetStore(root);
  },
  120_000,
);

/** Greps the store, its state directory and its database for every form. */
async function expectNothingStored(root: string): Promise<void> {
  const patterns = forms.flatMap((form) => ["-e", form]);
  const places = [root, stateOf(root)].filter((dir) => existsSync(dir));
  const found = await run(["grep", "-raFl", ...patterns, ...places]);
  expect(found).toMatchObject({ code: 1, stdout: "" });
}

test("R1: secrets: a proxy's password goes to the proxy and is not printed", async () => {
  spoil = undefined;
  await using proxy = await startProxy(server.host);
  const address = new URL(proxy.url);
  address.username = user;
  address.password = password;
  const root = join(dir, "root-proxy");
  const words = ["images", "pull", "--plain-http", "--http-dump", "--http-trace", "-u", `${user}:${password}`];
  const argv = [ourCtr, "--debug", "-a", `embedded://${root}`, ...words, "registry.test/lib/app:1"];
  const { stdout, stderr } = await run(argv, { env: { ...bare, HTTP_PROXY: address.href } });
  expect(proxy.asked.length).toBeGreaterThan(0);
  expectClean(stdout + stderr, "proxy");
  await expectNothingStored(root);
  await forgetStore(root);
});

test.each([
  ["-u", [`-u`, `${user}:${password}`], `-u ${user}:${"*".repeat(password.length)}`],
  ["--user=", [`--user=${user}:${password}`], `--user=${user}:${"*".repeat(password.length)}`],
  ["--refresh", ["--refresh", refresh], `--refresh ${"*".repeat(refresh.length)}`],
])(
  "R1: secrets: ps does not show what %s was given, from the first request on, with or without a daemon",
  async (_flag, flags, shown) => {
    for (const local of [[], ["--local"]]) {
      const asked = Promise.withResolvers<void>();
      spoil = () => {
        asked.resolve();
        return "silence";
      };
      const root = join(dir, "root-ps");
      const words = ["images", "pull", "--plain-http", ...local, ...flags, `${server.host}/lib/app:1`];
      const env = { ...process.env, ...bare, CTR_REGISTRY_TIMEOUT: "30s" };
      const child = Bun.spawn([ourCtr, "-a", `embedded://${root}`, ...words], {
        env,
        stdout: "ignore",
        stderr: "pipe",
      });
      await asked.promise;
      const seen = (await readFile(`/proc/${child.pid}/cmdline`, "latin1")).replaceAll("\0", " ");
      expect(await mustRun(["ps", "-o", "args=", "-p", String(child.pid)])).toContain(shown);
      child.kill("SIGTERM");
      expectClean(seen + (await new Response(child.stderr).text()), "ps");
      expect(seen).toContain(shown);
      await child.exited;
      await forgetStore(root);
    }
  },
);

test("R20: secrets: nothing that a container starts is told a proxy's password, or what steers this program", async () => {
  spoil = undefined;
  const root = join(dir, "root-run");
  const log = await file(
    "log.sh",
    `#!/bin/sh\nenv >${dir}/log.env\nls /proc/self/fd >${dir}/log.fds\nexec 4>&-\nexec 5>&-\ncat <&3 >/dev/null\n`,
  );
  await chmod(log, 0o755);
  const env = {
    ...bare,
    HTTPS_PROXY: `http://${user}:${password}@proxy.test:1`,
    https_proxy: `http://${user}:${password}@proxy.test:1`,
    BUN_E2E: password,
    NODE_E2E: password,
    CTR_E2E: password,
  };
  const ctr = (...words: readonly string[]) => mustRun([ourCtr, "-a", `embedded://${root}`, ...words], { env });
  try {
    await ctr("images", "pull", "--plain-http", "-u", `${user}:${password}`, `${server.host}/lib/app:1`);
    const image = `${server.host}/lib/app:1`;
    await ctr("run", "-d", "--log-uri", `binary://${log}`, image, "c", "sleep", "1000");
    await ctr("tasks", "exec", "-d", "--exec-id", "e", "c", "sleep", "1000");
    const pids = await processesOf(root);
    expect(pids.length).toBeGreaterThanOrEqual(3);
    for (const pid of pids) {
      const [environ, cmdline] = await Promise.all([
        readFile(`/proc/${pid}/environ`, "latin1"),
        readFile(`/proc/${pid}/cmdline`, "latin1"),
      ]);
      expectClean(environ + cmdline, cmdline.replaceAll("\0", " "));
    }
    const [digest = ""] = (await ctr("content", "ls", "-q")).split("\n");
    const editor = `{ env; ls /proc/self/fd; } >${dir}/editor.txt; echo >>`;
    await ctr("content", "edit", "--editor", editor, digest);
    const edited = await readFile(join(dir, "editor.txt"), "utf8");
    expect(edited.match(/^(?:BUN|NODE|CTR)_/gm)).toBeNull();
    // The last is the directory that `ls` reads.
    expect(edited.match(/^\d+$/gm)).toEqual(["0", "1", "2", "3"]);
    await ctr("tasks", "kill", "-s", "KILL", "-a", "c");
    await ctr("tasks", "rm", "--force", "c");
    expectClean(await readFile(join(dir, "log.env"), "utf8"), "log binary");
    // 3, 4 and 5 are the streams and the sign that it is ready; 6 is the directory that `ls` reads.
    expect((await readFile(join(dir, "log.fds"), "utf8")).trim().split("\n")).toEqual([..."0123456"]);
    await expectNothingStored(root);
  } finally {
    await forgetStore(root);
  }
}, 60_000);
