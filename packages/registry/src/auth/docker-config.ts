import { ContainerdError } from "@ctr/api";
import { scrubbedEnvironment } from "@ctr/sys";
import type { Environment } from "../http/proxy.ts";
import { authFiles } from "./auth-files.ts";
import { type CredentialSource, type Credentials, decodeBasic, TOKEN_USER } from "./credentials.ts";

export interface DockerConfigOptions {
  readonly signal: AbortSignal;
  readonly env?: Environment;
  /** Told which file the credentials that are used come from. */
  readonly onFound?: (file: string, credentials: Credentials) => void;
}

/** What `docker login` files Docker Hub under. */
const HUB_KEY = "https://index.docker.io/v1/";
/** Most that a credential helper's answer may hold, in bytes (R11). */
const MAX_HELPER_OUTPUT = 64 * 1024;
const HELPER_TIMEOUT_MS = 60_000;

type Json = Readonly<Record<string, unknown>>;

/**
 * Credentials from the files of `authFiles`, the first that knows the host; in each a host's helper, the store of all
 * hosts, then `auths`. No file means no credentials; a broken helper is an error, never somebody else's (R23).
 */
export function dockerConfigCredentials(options: DockerConfigOptions): CredentialSource {
  return async (host) => {
    for (const file of authFiles(options.env ?? process.env)) {
      const config = readConfig(file);
      const found = config === undefined ? undefined : await fromConfig(config, { host, file, options });
      if (found === undefined) continue;
      options.onFound?.(file, found);
      return found;
    }
    return undefined;
  };
}

interface Asked {
  readonly host: string;
  readonly file: string;
  readonly options: DockerConfigOptions;
}

async function fromConfig(config: Json, { host, file, options }: Asked): Promise<Credentials | undefined> {
  const isHub = host === "registry-1.docker.io" || host === "docker.io";
  const key = isHub ? HUB_KEY : host;
  const helpers = table(config, "credHelpers");
  const names = [key, host, ...(isHub ? ["docker.io"] : [])];
  const helper = names.map((name) => text(helpers[name])).find((name) => name !== "");
  const store = helper ?? text(config["credsStore"]);
  const fromHelper = store === "" ? undefined : await askHelper(store, key, options);
  return fromHelper ?? fromAuths(config, { names, host, file });
}

function readConfig(file: string): Json | undefined {
  let content: string;
  try {
    content = process.getBuiltinModule("node:fs").readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw unusable(file, cause instanceof Error ? cause.message : String(cause));
  }
  try {
    const value: unknown = JSON.parse(content);
    if (isTable(value)) return value;
  } catch {
    // Told below; the parser's own message may quote a secret.
  }
  throw unusable(file, "it is not a JSON object");
}

function unusable(file: string, why: string): ContainerdError {
  return new ContainerdError({
    code: "invalid_argument",
    what: "cannot use stored credentials",
    where: { file },
    why,
  });
}

function fromAuths(
  config: Json,
  wanted: { readonly names: readonly string[]; readonly host: string; readonly file: string },
): Credentials | undefined {
  const auths = table(config, "auths");
  const names = [...wanted.names, `https://${wanted.host}`, `http://${wanted.host}`];
  const spellings = names.flatMap((name) => [name, `${name}/`, `${name}/v1/`, `${name}/v2/`]);
  const name = spellings.find((one) => isTable(auths[one]));
  if (name === undefined) return undefined;
  const entry = table(auths, name);
  const token = text(entry["identitytoken"]);
  if (token !== "") return { kind: "refresh-token", token };
  const auth = text(entry["auth"]);
  if (auth !== "") return decodeBasic(auth, { file: wanted.file, host: wanted.host });
  const username = text(entry["username"]);
  return username === "" ? undefined : { kind: "password", username, password: text(entry["password"]) };
}

/** Runs `docker-credential-NAME get`; `undefined` when it knows nothing of the host. */
async function askHelper(name: string, key: string, options: DockerConfigOptions): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) throw helperFailed(name, "its name is not a file name");
  const { stdout, failed } = await runHelper(name, key, options);
  // The helpers' common words for "not here"; they come with exit status 1.
  if (failed && /credentials not found|no credentials server url|not found in native keychain/i.test(stdout))
    return undefined;
  // What looks like an answer may hold the secret: it is no message.
  if (failed) throw helperFailed(name, (!stdout.includes("{") && stdout.trim().split("\n", 1)[0]) || "it failed");
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    // Not kept as cause: the text may hold a secret.
  }
  if (!isTable(answer)) throw helperFailed(name, "its answer is not JSON");
  const username = text(answer["Username"]);
  const secret = text(answer["Secret"]);
  if (username === TOKEN_USER) return { kind: "refresh-token", token: secret };
  return username === "" && secret === "" ? undefined : { kind: "password", username, password: secret };
}

function runHelper(
  name: string,
  key: string,
  options: DockerConfigOptions,
): Promise<{ readonly stdout: string; readonly failed: boolean }> {
  const { execFile } = process.getBuiltinModule("node:child_process");
  const limits = {
    timeout: HELPER_TIMEOUT_MS,
    maxBuffer: MAX_HELPER_OUTPUT,
    signal: options.signal,
    env: scrubbedEnvironment(),
  };
  return new Promise((resolve, reject) => {
    const child = execFile(`docker-credential-${name}`, ["get"], limits, (error, stdout) => {
      if (error !== null && typeof error.code !== "number") {
        return reject(options.signal.aborted ? options.signal.reason : helperFailed(name, error.message));
      }
      resolve({ stdout, failed: error !== null });
    });
    // A helper that dies without reading is told by its exit status.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(key);
  });
}

function helperFailed(name: string, why: string): ContainerdError {
  return new ContainerdError({
    code: "unauthenticated",
    what: "cannot get credentials",
    where: { helper: `docker-credential-${name}` },
    why,
    fix: "repair the helper, or give the credentials with --user",
  });
}

function table(value: Json, key: string): Json {
  const member = value[key];
  return isTable(member) ? member : {};
}

function isTable(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
