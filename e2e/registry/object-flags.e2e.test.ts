import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { layoutAnswer, startFaultyRegistry } from "../support/faulty-registry.ts";
import { busyboxLayout, type Layout, pushLayout, readBlob } from "../support/images.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";
import { startProxy } from "../support/proxy.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** The registry's flags of every command that speaks to one: the same object goes or comes, or is refused without them. */
let dir = "";
let daemon: PrivateContainerd;
let layout: Layout;
let certificates: Certificates;
/** Plain HTTP with a password; TLS by an authority of its own; the same, for clients whom that authority vouches for. */
let guarded: PrivateRegistry;
let secure: PrivateRegistry;
let mutual: PrivateRegistry;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-e2e-objects-"));
  certificates = await makeCertificates(dir, ["registry.test"]);
  await writeFile(join(dir, "htpasswd"), await mustRun(["htpasswd", "-Bbn", "me", "se:cret"]));
  const { ca, cert, key } = certificates;
  const tls = `  tls:\n    certificate: ${cert}\n    key: ${key}\n`;
  const auth = `auth:\n  htpasswd:\n    realm: test\n    path: ${dir}/htpasswd\n`;
  [daemon, layout, guarded, secure, mutual] = await Promise.all([
    startContainerd(),
    busyboxLayout(),
    startRegistry({ extra: auth }),
    startRegistry({ http: tls }),
    startRegistry({ http: `${tls}    clientcas:\n      - ${ca}\n` }),
  ]);
  const open = await startRegistry();
  await pushLayout(open.host, "lib/busybox", "1", layout);
  const reference = `${open.host}/lib/busybox:1`;
  await mustRun([ourCtr, "-a", daemon.address, "images", "pull", "--plain-http", reference]);
  await mustRun([ourCtr, "-a", daemon.address, "images", "tag", reference, "local:1"]);
  await open[Symbol.asyncDispose]();
  const push = (...words: readonly string[]) =>
    mustRun([ourCtr, "-a", daemon.address, "images", "push", ...words, "local:1"], { env: bare });
  await push("--plain-http", "--user", "me:se:cret", `${guarded.host}/lib/busybox:1`);
  await push("--skip-verify", `${secure.host}/lib/busybox:1`);
  await push("--skip-verify", "--tlscert", cert, "--tlskey", key, `${mutual.host}/lib/busybox:1`);
});
afterAll(async () => {
  await Promise.all([daemon, guarded, secure, mutual].map((one) => one?.[Symbol.asyncDispose]()));
  await rm(dir, { recursive: true, force: true });
});

/** Nothing of this machine's own configuration: no home, no proxies. */
const bare = { HOME: "", DOCKER_CONFIG: "", HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "" };

interface AskOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly debug?: boolean;
}
type Ask = (flags: readonly string[], repository: string, options?: AskOptions) => Promise<Outcome>;

/** What follows the flags of each command, for an image `<repository>:1` that is there. */
const commands: readonly (readonly [string, (repository: string) => Promise<readonly string[]>])[] = [
  ["content fetch", async (repository) => [`${repository}:1`]],
  ["content fetch-object", async (repository) => [`${repository}:1`]],
  ["content fetch-blob", async (repository) => [repository, (await busyboxConfig()).digest]],
  ["images pull", async (repository) => [`${repository}:1`]],
  ["images push", async (repository) => [`${repository}-new:1`, "local:1"]],
  [
    "content push-object",
    async (repository) => [`${repository}-new:1`, (await busyboxConfig()).digest, (await busyboxConfig()).mediaType],
  ],
];

const toPush = ["content push-object", "images push"];

async function busyboxConfig(): Promise<{ readonly digest: string; readonly mediaType: string }> {
  return JSON.parse((await readBlob(layout, layout.target.digest)).toString()).config;
}

const succeeds = { code: 0 };
const refused = { code: 1 };

describe.each(commands)("%s", (command, operands) => {
  let turn = 0;
  const ask: Ask = async (flags, repository, { env = {}, debug = false } = {}) => {
    // A namespace each: nothing is there already.
    const namespace = `${command.replaceAll(/\W/g, "-")}-${turn++}`;
    const globals = [
      ...(debug ? ["--debug"] : []),
      "-a",
      daemon.address,
      "-n",
      toPush.includes(command) ? "default" : namespace,
    ];
    const words = [...command.split(" "), ...flags, ...(await operands(repository))];
    return await run([ourCtr, ...globals, ...words], { env: { ...bare, ...env } });
  };
  /** A repository that is pushed to must be another for each push. */
  const at = (host: string) =>
    toPush.includes(command) ? `${host}/${command.replaceAll(/\W/g, "")}${turn}/busybox` : `${host}/lib/busybox`;

  test("--plain-http and --user: no TLS is tried, and the password is the registry's", async () => {
    expect(await ask(["--plain-http", "--user", "me:se:cret"], at(guarded.host))).toMatchObject(succeeds);
    const wrong = await ask(["--plain-http", "--user", "me:wrong"], at(guarded.host));
    expect(wrong).toMatchObject(refused);
    expect(wrong.stderr).not.toContain("me:wrong");
    // Loopback is spoken to plainly where TLS is answered in plain text; a name is not.
    await using proxy = await startProxy(guarded.host);
    const options = { env: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url } };
    const user = ["--user", "me:se:cret"];
    expect(await ask(["--plain-http", ...user], at("registry.test:5000"), options)).toMatchObject(succeeds);
    expect(await ask(user, at("registry.test:5000"), options)).toMatchObject(refused);
  });

  test("--tlscacert and --skip-verify: whose certificate is believed", async () => {
    await using proxy = await startProxy(secure.host);
    const options = { env: { HTTPS_PROXY: proxy.url } };
    const stranger = await ask([], at("registry.test:5000"), options);
    expect(stranger).toMatchObject(refused);
    expect(stranger.stderr).toContain("x509: certificate signed by unknown authority");
    expect(await ask(["--tlscacert", certificates.ca], at("registry.test:5000"), options)).toMatchObject(succeeds);
    expect(await ask(["--skip-verify"], at("registry.test:5000"), options)).toMatchObject(succeeds);
  });

  test("--tlscert and --tlskey: who we are", async () => {
    const { ca, cert, key } = certificates;
    const known = ["--tlscacert", ca, "--tlscert", cert, "--tlskey", key];
    expect(await ask(known, at(mutual.host))).toMatchObject(succeeds);
    expect(await ask(["--tlscacert", ca], at(mutual.host))).toMatchObject(refused);
  });

  test("--hosts-dir: where a registry is", async () => {
    const hosts = await mkdtemp(join(dir, "hosts-"));
    await mkdir(join(hosts, "docker.io"));
    const url = `https://${secure.host}`;
    await writeFile(
      join(hosts, "docker.io/hosts.toml"),
      `server = "${url}"\n[host."${url}"]\n  ca = "${certificates.ca}"\n  capabilities = ["pull", "resolve", "push"]\n`,
    );
    expect(await ask(["--hosts-dir", hosts], at("docker.io"))).toMatchObject(succeeds);
  });

  test("--http-dump and --http-trace: what is said and over which connection, without the password", async () => {
    const flags = ["--plain-http", "--user", "me:se:cret"];
    const dumped = await ask([...flags, "--http-dump"], at(guarded.host));
    expect(dumped).toMatchObject(succeeds);
    expect(dumped.stderr).toMatch(/level=info msg="(?:GET|HEAD) \/v2\//);
    expect(dumped.stderr).not.toMatch(/se:cret|bWU6c2U6Y3JldA/);
    const quiet = await ask(flags, at(guarded.host));
    expect(quiet.stderr).not.toContain("HTTP/1.1");
    const traced = await ask(["--http-trace", ...flags], at(guarded.host), { debug: true });
    expect(traced).toMatchObject(succeeds);
    expect(traced.stderr).toContain(`level=debug msg="Connection successful" remote_addr="${guarded.host}"`);
    const untraced = await ask(flags, at(guarded.host), { debug: true });
    expect(untraced.stderr).not.toContain("Connection successful");
  });

  test("--refresh: a token is fetched with it, and the object with the token", async () => {
    const seen: string[] = [];
    await using registry = await startFaultyRegistry(
      layoutAnswer(layout, "lib/busybox", "1", async (request, path) => {
        if (path === "/token") {
          seen.push(await request.text());
          return Response.json({ access_token: "granted", expires_in: 300 });
        }
        if (request.headers.get("authorization") !== "Bearer granted") {
          const realm = `http://${request.headers.get("host")}/token`;
          const challenge = `Bearer realm="${realm}",service="test",scope="repository:lib/busybox:pull,push"`;
          return new Response("{}", { status: 401, headers: { "www-authenticate": challenge } });
        }
        return path.includes("/uploads/") || request.method === "POST" ? new Response("", { status: 403 }) : undefined;
      }),
    );
    const outcome = await ask(["--plain-http", "--refresh", "for-the-token"], `${registry.host}/lib/busybox`);
    expect(outcome.code).toBe(toPush.includes(command) ? 1 : 0);
    expect(seen.length).toBeGreaterThan(0);
    for (const form of seen) {
      expect(form).toContain("grant_type=refresh_token");
      expect(form).toContain("refresh_token=for-the-token");
    }
    expect(outcome.stderr).not.toContain("for-the-token");
  });
});
