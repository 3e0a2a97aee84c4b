import {
  type CredentialSource,
  type Credentials,
  dockerConfigCredentials,
  fixedCredentials,
  splitUser,
} from "@ctr/registry";
import { hideArgument } from "@ctr/sys";
import type { CommandContext } from "./command.ts";
import type { RefusalHint } from "./go-worded-resolver.ts";
import { readPassword } from "./password.ts";

/** What a choice of credentials may ask and read. */
export type CredentialSurroundings = Pick<CommandContext<Record<never, never>>, "env" | "signal" | "stderr" | "stdin">;

/** Credentials, and what to say when they are refused: whose and from where, never the secret. */
export interface ChosenCredentials {
  readonly source: CredentialSource;
  readonly refusalHint: RefusalHint;
}

/** `--user`, else `--refresh`, else what `docker login` or `podman login` has stored. Asks for a password that is left out. */
export async function chooseCredentials(
  { user, refresh }: { readonly user: string; readonly refresh: string },
  around: CredentialSurroundings,
): Promise<ChosenCredentials> {
  if (user !== "") {
    const { username, password } = splitUser(user);
    if (password !== undefined) hideArgument(password);
    const secret = password ?? (await readPassword(around));
    const source = fixedCredentials({ kind: "password", username, password: secret });
    return { source, refusalHint: () => `the registry refuses user "${username}" of --user: check name and password` };
  }
  if (refresh !== "") {
    hideArgument(refresh);
    const source = fixedCredentials({ kind: "refresh-token", token: refresh });
    return { source, refusalHint: () => "the registry refuses the token of --refresh: log in for a new one" };
  }
  return storedCredentials(around);
}

function storedCredentials({ env, signal }: CredentialSurroundings): ChosenCredentials {
  let hint: string | undefined;
  const source = dockerConfigCredentials({
    env,
    signal,
    onFound: (file, used) => {
      hint ??= refusedFrom(file, used);
    },
  });
  return { source, refusalHint: () => hint };
}

function refusedFrom(file: string, used: Credentials): string {
  const whose = used.kind === "password" ? `user "${used.username}"` : "the token";
  return `the registry refuses ${whose} of ${file}: log in again, or name another with --user`;
}
