import {
  anonymous,
  type CredentialSource,
  dockerConfigCredentials,
  fixedCredentials,
  openHostSource,
  openResolver,
  type Resolver,
  splitUser,
  type TlsOptions,
} from "@ctr/registry";
import type { CommandContext } from "./command.ts";
import { fail } from "./errors.ts";
import type { FlagValues } from "./flag.ts";
import { readPassword } from "./password.ts";
import type { registryFlags } from "./table/shared-flags.ts";

type RegistryFlags = FlagValues<typeof registryFlags>;

/** The registry client that the registry flags describe. */
export async function resolverOf(
  flags: RegistryFlags,
  {
    env,
    log,
    signal,
    stderr,
    stdin,
  }: Pick<CommandContext<Record<never, never>>, "env" | "log" | "signal" | "stderr" | "stdin">,
): Promise<Resolver> {
  const tls = await tlsOf(flags);
  const dump = (lines: readonly string[]) => {
    for (const line of lines) void log.info(line);
  };
  return openResolver({
    env,
    hosts: openHostSource({ hostsDir: flags.hostsDir, plainHttp: flags.plainHttp, tls }),
    credentials: await credentialsOf(flags, { env, signal, stderr, stdin }),
    ...(flags.httpDump ? { trace: { onRequest: dump, onResponse: dump } } : {}),
  });
}

async function credentialsOf(
  { user, refresh }: RegistryFlags,
  around: Pick<CommandContext<Record<never, never>>, "env" | "signal" | "stderr" | "stdin">,
): Promise<CredentialSource> {
  if (user !== "") {
    const { username, password } = splitUser(user);
    const secret = password ?? (await readPassword(around));
    return fixedCredentials({ kind: "password", username, password: secret });
  }
  if (refresh !== "") return fixedCredentials({ kind: "refresh-token", token: refresh });
  return around.env["HOME"] || around.env["DOCKER_CONFIG"]
    ? dockerConfigCredentials({ env: around.env, signal: around.signal })
    : anonymous;
}

async function tlsOf({ skipVerify, tlscacert, tlscert, tlskey }: RegistryFlags): Promise<TlsOptions> {
  if ((tlscert === "") !== (tlskey === "")) throw fail("flags --tlscert and --tlskey must be set together");
  return {
    ...(skipVerify ? { skipVerify } : {}),
    ...(tlscacert === "" ? {} : { ca: [await readAuthorities(tlscacert)] }),
    ...(tlscert === "" ? {} : { clientCert: { cert: await readPem(tlscert), key: await readPem(tlskey) } }),
  };
}

async function readAuthorities(path: string): Promise<string> {
  const text = await readPem(path);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw fail(`failed to load TLS CAs from "${path}": invalid data`, "the file must hold certificates in PEM form");
}

async function readPem(path: string): Promise<string> {
  try {
    return await Bun.file(path).text();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const why = code === "ENOENT" ? "no such file or directory" : code === "EACCES" ? "permission denied" : code;
    throw fail(`failed to read "${path}": open ${path}: ${why}`);
  }
}
