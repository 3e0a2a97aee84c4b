import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dockerConfigCredentials } from "./docker-config.ts";

const { signal } = new AbortController();
let dir = "";
const path = process.env["PATH"];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-docker-"));
});
afterEach(() => {
  process.env["PATH"] = path;
  rmSync(dir, { recursive: true, force: true });
});

function source(config: unknown) {
  writeFileSync(join(dir, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return dockerConfigCredentials({ signal, env: { DOCKER_CONFIG: dir } });
}

function addHelper(name: string, script: string): void {
  writeFileSync(join(dir, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, `docker-credential-${name}`), 0o755);
  process.env["PATH"] = `${dir}:${path}`;
}

const auth = Buffer.from("me:se:cret").toString("base64");

test.each([
  ["a host by name", { "a:5000": { auth } }, "a:5000"],
  ["a host by URL", { "https://a:5000/v2/": { auth } }, "a:5000"],
  ["Docker Hub under its old name", { "https://index.docker.io/v1/": { auth } }, "registry-1.docker.io"],
  ["a user and password apart", { a: { username: "me", password: "se:cret" } }, "a"],
])("dockerConfigCredentials() finds %s", async (_what, auths, host) => {
  expect(await source({ auths })(host)).toEqual({ kind: "password", username: "me", password: "se:cret" });
});

test("dockerConfigCredentials() prefers an identity token", async () => {
  const found = await source({ auths: { a: { auth, identitytoken: "t" } } })("a");
  expect(found).toEqual({ kind: "refresh-token", token: "t" });
});

test("dockerConfigCredentials() gives nobody another host's credentials", async () => {
  expect(await source({ auths: { "b.example": { auth } } })("a.b.example")).toBeUndefined();
});

test("dockerConfigCredentials() takes a missing file for no credentials", async () => {
  expect(await dockerConfigCredentials({ signal, env: { DOCKER_CONFIG: join(dir, "no") } })("a")).toBeUndefined();
});

test("dockerConfigCredentials() asks a host's helper by its key", async () => {
  addHelper("test", `read host; echo "{\\"Username\\":\\"u-$host\\",\\"Secret\\":\\"s\\"}"`);
  const found = await source({ credHelpers: { "a:1": "test" } })("a:1");
  expect(found).toEqual({ kind: "password", username: "u-a:1", password: "s" });
});

test("dockerConfigCredentials() reads a helper's identity token", async () => {
  addHelper("test", `echo '{"Username":"<token>","Secret":"t"}'`);
  expect(await source({ credsStore: "test" })("a")).toEqual({ kind: "refresh-token", token: "t" });
});

test("dockerConfigCredentials() falls back to auths when the helper knows nothing", async () => {
  addHelper("test", "echo 'credentials not found in native keychain'; exit 1");
  expect(await source({ credsStore: "test", auths: { a: { auth } } })("a")).toMatchObject({ username: "me" });
});

test.each([
  ["fails", "echo boom; exit 1", "boom"],
  ["fails with an answer", `echo '{"Secret":"secret-looking-text"}'; exit 1`, "it failed"],
  ["answers nonsense", "echo secret-looking-text", "its answer is not JSON"],
])("R23: dockerConfigCredentials() makes an error of a helper that %s", async (_what, script, message) => {
  addHelper("test", script);
  const error = await source({ credsStore: "test", auths: { a: { auth } } })("a").catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "unauthenticated" });
  expect(String(error)).toContain(message);
  expect(String(error)).not.toContain("secret-looking-text");
});

test("R20: a credential helper gets no descriptor above 2 and nothing that steers this program", async () => {
  const told = join(dir, "told");
  addHelper("test", `{ env; ls /proc/self/fd; } >${told}; echo '{"Username":"u","Secret":"s"}'`);
  const before = ["BUN_E2E", "NODE_E2E", "CTR_E2E"];
  for (const name of before) process.env[name] = "1";
  try {
    await source({ credsStore: "test" })("a");
  } finally {
    for (const name of before) delete process.env[name];
  }
  const lines = readFileSync(told, "utf8").trim().split("\n");
  expect(lines.filter((line) => /^(?:BUN|NODE|CTR)_/.test(line))).toEqual([]);
  // 3 is the directory that `ls` reads.
  expect(lines.filter((line) => /^\d+$/.test(line))).toEqual(["0", "1", "2", "3"]);
});

test("dockerConfigCredentials() refuses a helper's name that is a path", async () => {
  await expect(source({ credsStore: "../x" })("a")).rejects.toThrow("not a file name");
});

test("dockerConfigCredentials() does not quote a broken file", async () => {
  await expect(source(`{"auths": "${auth}`)("a")).rejects.toThrow(/not a JSON object$/);
});

test.each([
  ["REGISTRY_AUTH_FILE", { REGISTRY_AUTH_FILE: "auth.json" }, "auth.json"],
  ["the file of this boot", { XDG_RUNTIME_DIR: "" }, "containers/auth.json"],
  ["the file of the user", { HOME: "", XDG_RUNTIME_DIR: "run" }, ".config/containers/auth.json"],
])("dockerConfigCredentials() finds what podman login stored in %s", async (_what, relative, name) => {
  const env = Object.fromEntries(Object.entries(relative).map(([key, value]) => [key, join(dir, value)]));
  const file = join(dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ auths: { "docker.io": { auth } } }));
  const files: string[] = [];
  const find = dockerConfigCredentials({ signal, env, onFound: (found) => files.push(found) });
  expect(await find("registry-1.docker.io")).toEqual({ kind: "password", username: "me", password: "se:cret" });
  expect(files).toEqual([file]);
  expect(await find("elsewhere")).toBeUndefined();
});

test("dockerConfigCredentials() asks docker's file before podman's, and podman's where docker's knows nothing", async () => {
  const files = { ".docker/config.json": { a: { auth } }, ".config/containers/auth.json": { a: {}, b: { auth } } };
  for (const [name, auths] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), JSON.stringify({ auths }));
  }
  const found: string[] = [];
  const find = dockerConfigCredentials({ signal, env: { HOME: dir }, onFound: (file) => found.push(file) });
  await find("a");
  await find("b");
  expect(found).toEqual([join(dir, ".docker/config.json"), join(dir, ".config/containers/auth.json")]);
});
