import {
  defaultHostsDirs,
  type HttpTrace,
  openHostSource,
  openResolver,
  type Resolver,
  type TlsOptions,
} from "@ctr/registry";
import type { CommandContext } from "./command.ts";
import { fail } from "./errors.ts";
import type { FlagValues } from "./flag.ts";
import { withGoWords } from "./go-worded-resolver.ts";
import type { Logger } from "./log.ts";
import { type CredentialSurroundings, chooseCredentials } from "./registry-credentials.ts";
import type { registryFlags } from "./table/shared-flags.ts";

type RegistryFlags = FlagValues<ReturnType<typeof registryFlags>>;

/** The registry client that the registry flags describe. */
export async function resolverOf(
  flags: RegistryFlags,
  around: CredentialSurroundings & Pick<CommandContext<Record<never, never>>, "log">,
): Promise<Resolver> {
  const tls = await tlsOf(flags);
  const { source, refusalHint } = await chooseCredentials(flags, around);
  const { trace, settled } = traceOf(flags, around.log);
  const resolver = openResolver({
    env: around.env,
    hosts: openHostSource({ hostsDir: flags.hostsDir, defaultDirs: defaultHostsDirs, plainHttp: flags.plainHttp, tls }),
    credentials: source,
    ...(flags.httpDump || flags.httpTrace ? { trace } : {}),
  });
  return withGoWords(resolver, { hint: refusalHint, settled });
}

/** `--http-dump` logs what is said, `--http-trace` (seen with --debug) how the connection came about. */
function traceOf(
  { httpDump, httpTrace }: RegistryFlags,
  log: Logger,
): { readonly trace: HttpTrace; readonly settled: () => Promise<void> } {
  // One line after the other; a stderr that fails has nobody to be told.
  let last: Promise<void> = Promise.resolve();
  const queue = (write: () => Promise<void>) => {
    last = last.then(write).catch(() => undefined);
  };
  const dump = (lines: readonly string[]) => {
    for (const line of lines) queue(() => log.info(line));
  };
  const connections: HttpTrace = {
    onLookup: (host) => queue(() => log.debug("DNS lookup", { host })),
    onLookedUp: (result) => queue(() => log.debug("DNS lookup complete", { coalesced: "false", result })),
    onLookupFailed: (why) => queue(() => log.debug("DNS lookup error", { lookup_err: why })),
    // Every request has a connection of its own.
    onConnect: (address) => queue(() => log.debug("Connection successful", { remote_addr: address, reused: "false" })),
  };
  const messages: HttpTrace = { onRequest: dump, onResponse: dump, onBody: dump };
  return { trace: { ...(httpDump ? messages : {}), ...(httpTrace ? connections : {}) }, settled: () => last };
}

/** What can be said against the flags without a daemon. */
export function checkRegistryFlags({ tlscert, tlskey }: RegistryFlags): void {
  if ((tlscert === "") !== (tlskey === "")) throw fail("flags --tlscert and --tlskey must be set together");
}

async function tlsOf(flags: RegistryFlags): Promise<TlsOptions> {
  checkRegistryFlags(flags);
  const { skipVerify, tlscacert, tlscert, tlskey } = flags;
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
