import { afterAll, beforeAll, expect, test } from "bun:test";
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
import { openTerminal } from "../support/terminal.ts";

/** Passwords, certificates, proxies and redirects, as the command line's flags and environment choose them. */
let dir = "";
let daemon: PrivateContainerd;
let layout: Layout;
let certificates: Certificates;
/** Plain HTTP, open to all; TLS by an authority of its own; plain HTTP for `me` with `se:cret`. */
let open: PrivateRegistry;
let secure: PrivateRegistry;
let guarded: PrivateRegistry;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-e2e-flags-"));
  certificates = await makeCertificates(dir, ["registry.test"]);
  await writeFile(join(dir, "htpasswd"), await mustRun(["htpasswd", "-Bbn", "me", "se:cret"]));
  const tls = `  tls:\n    certificate: ${certificates.cert}\n    key: ${certificates.key}\n`;
  const auth = `auth:\n  htpasswd:\n    realm: test\n    path: ${dir}/htpasswd\n`;
  [daemon, layout, open, secure, guarded] = await Promise.all([
    startContainerd(),
    busyboxLayout(),
    startRegistry(),
    startRegistry({ http: tls }),
    startRegistry({ extra: auth }),
  ]);
  await pushLayout(open.host, "lib/busybox", "1", layout);
  await mustRun([ourCtr, "-a", daemon.address, "i", "pull", "--plain-http", `${open.host}/lib/busybox:1`]);
});
afterAll(async () => {
  await Promise.all([daemon, open, secure, guarded].map((one) => one[Symbol.asyncDispose]()));
  await rm(dir, { recursive: true, force: true });
});

/** Nothing of this machine's own configuration: no home, no proxies. */
const bare = { HOME: "", DOCKER_CONFIG: "", HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "" };
const images = (env: Readonly<Record<string, string>>, ...words: readonly string[]): Promise<Outcome> =>
  run([ourCtr, "-a", daemon.address, "-n", "flags", "images", ...words], { env: { ...bare, ...env } });

const succeeds = { code: 0, stderr: "" };

async function sendsAndTakes(reference: string, flags: readonly string[], env = {}): Promise<void> {
  const local = `${open.host}/lib/busybox:1`;
  const push = [ourCtr, "-a", daemon.address, "images", "push", ...flags, reference, local];
  expect(await run(push, { env: { ...bare, ...env } })).toMatchObject(succeeds);
  expect(await images(env, "pull", ...flags, reference)).toMatchObject(succeeds);
  await mustRun(["ctr", "-a", daemon.address, "-n", "flags", "images", "rm", "--sync", reference]);
}

/** One line `ctr: …`, at most one hint, no image and no lease; the line and the hint. */
async function refusal(outcome: Outcome): Promise<string> {
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^ctr: [^\n]+\n(?:hint: [^\n]+\n)?$/);
  expect(await mustRun(["ctr", "-a", daemon.address, "-n", "flags", "images", "ls", "-q"])).toBe("");
  expect(await mustRun(["ctr", "-a", daemon.address, "-n", "flags", "leases", "ls", "-q"])).toBe("");
  return outcome.stderr;
}

/** No certificate is asked of loopback, so the registry is reached under a name, through a proxy. */
const named = "registry.test:5000/lib/busybox:1";

test("--tlscacert: a registry with an authority of its own", async () => {
  await using proxy = await startProxy(secure.host);
  const env = { HTTPS_PROXY: proxy.url };
  await sendsAndTakes(named, ["--tlscacert", certificates.ca], env);
  const refused = await refusal(await images(env, "pull", named));
  expect(refused).toMatch(/x509: certificate signed by unknown authority\nhint: .*--tlscacert/);
});

test("--skip-verify takes any certificate", async () => {
  await using proxy = await startProxy(secure.host);
  await sendsAndTakes(named, ["--skip-verify"], { HTTPS_PROXY: proxy.url });
});

test("--hosts-dir: where a registry is, and whom it is vouched for by", async () => {
  const hosts = join(dir, "hosts");
  await mkdir(join(hosts, "docker.io"), { recursive: true });
  const toml = `server = "https://${secure.host}"\n[host."https://${secure.host}"]\n  ca = "${certificates.ca}"\n`;
  await writeFile(join(hosts, "docker.io/hosts.toml"), toml);
  await sendsAndTakes("docker.io/lib/busybox:1", ["--hosts-dir", hosts]);
  await writeFile(join(hosts, "docker.io/hosts.toml"), toml.replace(/ {2}ca = .*\n/, ""));
  const refused = await refusal(await images({}, "pull", "--hosts-dir", hosts, "docker.io/lib/busybox:1"));
  expect(refused).toContain("x509: certificate signed by unknown authority");
});

test.each([
  [["--tlscert", "/x"], "flags --tlscert and --tlskey must be set together"],
  [["--tlscacert", "/nosuch"], 'failed to read "/nosuch": open /nosuch: no such file or directory'],
  [["--tlscacert", "/etc/hostname"], 'failed to load TLS CAs from "/etc/hostname": invalid data'],
])("pull %j is refused before anything is asked", async (flags, says) => {
  expect(await refusal(await images({}, "pull", ...flags, `${secure.host}/lib/busybox:1`))).toStartWith(
    `ctr: ${says}\n`,
  );
});

test("--user: the right password, the wrong one, and none", async () => {
  const reference = `${guarded.host}/lib/busybox:1`;
  await sendsAndTakes(reference, ["--plain-http", "--user", "me:se:cret"]);
  const wrong = await refusal(await images({}, "pull", "--plain-http", "--user", "me:wrong1", reference));
  expect(wrong).toContain(`hint: the registry refuses user "me" of --user`);
  expect(wrong).not.toContain("wrong1");
  const nobody = await refusal(await images({}, "pull", "--plain-http", reference));
  expect(nobody).toMatch(/pull access denied.*\nhint: log in with --user name:password\n/);
});

test("--user without a password asks on the terminal, without an echo", async () => {
  const reference = `${guarded.host}/lib/busybox:1`;
  const pull = ["-a", daemon.address, "-n", "flags", "images", "pull", "--plain-http", "--user", "me", reference];
  using session = openTerminal([ourCtr, ...pull], { env: bare });
  await session.waitFor(/Password: $/);
  session.type("se:cret\r");
  expect(await session.exited).toBe(0);
  expect(session.output).not.toContain("se:cret");
  await mustRun(["ctr", "-a", daemon.address, "-n", "flags", "images", "rm", "--sync", reference]);
  const piped = await refusal(await images({}, "pull", "--plain-http", "--user", "me", reference));
  expect(piped).toBe("ctr: no password given and no terminal to ask for it\nhint: write it as --user name:password\n");
});

test("what docker login stored is used; a refusal names the file, never the secret", async () => {
  const reference = `${guarded.host}/lib/busybox:1`;
  const login = (name: string, password: string) => {
    const auth = Buffer.from(`me:${password}`).toString("base64");
    return Bun.write(join(dir, name, "config.json"), JSON.stringify({ auths: { [guarded.host]: { auth } } }));
  };
  await login("right", "se:cret");
  await login("wrong", "wrong2");
  await sendsAndTakes(reference, ["--plain-http"], { DOCKER_CONFIG: join(dir, "right") });
  const env = { DOCKER_CONFIG: join(dir, "wrong") };
  const refused = await refusal(await images(env, "pull", "--plain-http", reference));
  expect(refused).toContain(`hint: the registry refuses user "me" of ${dir}/wrong/config.json`);
  expect(refused).not.toMatch(/wrong2|bWU6d3Jvbmcy/);
});

test("a redirect to another origin takes no credentials along", async () => {
  await using storage = await startFaultyRegistry(async (_request, path) => {
    const digest = path.split("/").at(-1) ?? "";
    return new Response(new Uint8Array(await readBlob(layout, digest)));
  });
  await using registry = await startFaultyRegistry(
    layoutAnswer(layout, "lib/busybox", "1", (request, path) => {
      if (!request.headers.has("authorization"))
        return new Response("{}", { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } });
      if (!path.includes("/blobs/")) return undefined;
      return new Response("", { status: 307, headers: { location: `http://${storage.host}${path}` } });
    }),
  );
  // A namespace of its own, and blobs that no other namespace shares the digests of by name.
  const reference = `${registry.host}/lib/busybox:1`;
  await mustRun(["ctr", "-a", daemon.address, "images", "rm", "--sync", `${open.host}/lib/busybox:1`]);
  expect(await images({}, "pull", "--plain-http", "--user", "me:se:cret", reference)).toMatchObject(succeeds);
  expect(registry.requests.some(({ authorization }) => authorization?.startsWith("Basic "))).toBe(true);
  expect(storage.requests.length).toBeGreaterThan(0);
  for (const { authorization } of storage.requests) expect(authorization).toBeNull();
  await mustRun(["ctr", "-a", daemon.address, "-n", "flags", "images", "rm", "--sync", reference]);
  await mustRun([ourCtr, "-a", daemon.address, "i", "pull", "--plain-http", `${open.host}/lib/busybox:1`]);
});

test("HTTP_PROXY and HTTPS_PROXY are asked, NO_PROXY and loopback are not", async () => {
  await using plain = await startProxy(open.host);
  await sendsAndTakes("registry.test:5000/lib/busybox:1", ["--plain-http"], { HTTP_PROXY: plain.url });
  expect(plain.asked.length).toBeGreaterThan(0);
  for (const line of plain.asked) expect(line).toMatch(/^[A-Z]+ http:\/\/registry\.test:5000\/v2\//);
  const asked = plain.asked.length;
  await sendsAndTakes(`${open.host}/lib/busybox:1`, ["--plain-http"], { HTTP_PROXY: plain.url }).finally(() =>
    mustRun([ourCtr, "-a", daemon.address, "i", "pull", "--plain-http", `${open.host}/lib/busybox:1`]),
  );
  const env = { HTTP_PROXY: plain.url, NO_PROXY: "registry.test" };
  const direct = await refusal(await images(env, "pull", "--plain-http", "registry.test:5000/lib/busybox:1"));
  expect(direct).toMatch(/dial tcp: lookup registry\.test: no such host\nhint: /);
  expect(plain.asked).toHaveLength(asked);

  await using tunnel = await startProxy(secure.host);
  const flags = ["--tlscacert", certificates.ca];
  await sendsAndTakes("registry.test:5000/lib/busybox:1", flags, { HTTPS_PROXY: tunnel.url });
  for (const line of tunnel.asked) expect(line).toBe("CONNECT registry.test:5000");
});

test("--http-dump logs what is said, without secrets; --http-trace how it was connected", async () => {
  const reference = `${guarded.host}/lib/busybox:1`;
  const words = ["--plain-http", "--user", "me:se:cret", "--http-dump", "--http-trace", reference];
  const debug = [ourCtr, "--debug", "-a", daemon.address, "-n", "flags", "images", "pull", ...words];
  const { code, stderr } = await run(debug, { env: bare });
  expect(code).toBe(0);
  expect(stderr).toContain('level=info msg="HEAD /v2/lib/busybox/manifests/1 HTTP/1.1"');
  expect(stderr).toContain('msg="Authorization: Basic <redacted>"');
  expect(stderr).toContain('msg="HTTP/1.1 401 Unauthorized"');
  expect(stderr).toContain(`level=debug msg="Connection successful" remote_addr="${guarded.host}" reused=false`);
  expect(stderr).not.toMatch(/se:cret|bWU6c2U6Y3JldA/);
  const local = `${open.host}/lib/busybox:1`;
  const push = [
    "images",
    "push",
    "--plain-http",
    "--user",
    "me:se:cret",
    "--http-dump",
    `${guarded.host}/dumped:1`,
    local,
  ];
  const pushed = await run([ourCtr, "-a", daemon.address, ...push], { env: bare });
  expect(pushed.stderr).toMatch(/msg="PUT \/v2\/dumped\/manifests\/1 HTTP\/1.1"\n[\s\S]*msg=".*schemaVersion/);
  const quiet = await images({}, "pull", "--plain-http", "--user", "me:se:cret", "--http-trace", reference);
  expect(quiet).toMatchObject(succeeds);
  await mustRun(["ctr", "-a", daemon.address, "-n", "flags", "images", "rm", "--sync", reference]);
});
