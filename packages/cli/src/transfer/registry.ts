import type { HttpLog, RegistryCredentials, RegistrySource } from "@ctr/client";
import { refuseUserInfo } from "@ctr/oci";
import type { CredentialSource } from "@ctr/registry";
import type { FlagValues } from "../flag.ts";
import type { Logger } from "../log.ts";
import { type CredentialSurroundings, chooseCredentials } from "../registry-credentials.ts";
import type { registryFlags } from "../table/shared-flags.ts";

type RegistryFlags = FlagValues<ReturnType<typeof registryFlags>>;
type Around = CredentialSurroundings & { readonly log: Logger };

/** The registry's side of a transfer, as the registry flags describe it. `--hosts-dir` is the daemon's to read. */
export async function registrySide(reference: string, flags: RegistryFlags, around: Around): Promise<RegistrySource> {
  refuseUserInfo(reference);
  const { source } = await chooseCredentials(flags, around);
  return {
    reference,
    credentials: ({ host }) => credentialsFor(source, host),
    hostsDir: flags.hostsDir,
    defaultScheme: flags.plainHttp ? "http" : "",
    httpLog: flags.httpDump || flags.httpTrace ? httpLogOf(flags, around.log) : undefined,
  };
}

/** A daemon that asks must be answered, also when we have nothing for the host. */
async function credentialsFor(source: CredentialSource, host: string): Promise<RegistryCredentials> {
  const found = await source(host);
  switch (found?.kind) {
    case undefined:
      return { kind: "none" };
    case "password":
      return { kind: "password", username: found.username, secret: found.password };
    case "refresh-token":
      return { kind: "refreshToken", token: found.token };
    default:
      return found satisfies never;
  }
}

/** A log line for each line of text, however the text is cut. */
function httpLogOf({ httpDump, httpTrace }: RegistryFlags, log: Logger): HttpLog {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    dump: httpDump,
    trace: httpTrace,
    async write(text) {
      const lines = (rest + decoder.decode(text, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) await log.info(line);
    },
  };
}
