import { ContainerdError } from "@ctr/api";

/** What proves who is asking. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  | { readonly kind: "refresh-token"; readonly token: string };

/** Looks up the credentials for one endpoint host (`registry-1.docker.io`, `localhost:5000`); `undefined` for none. */
export type CredentialSource = (host: string) => Promise<Credentials | undefined>;

/** Nobody in particular. */
export const anonymous: CredentialSource = async () => undefined;

/** The same credentials for every endpoint, as the flags `--user` and `--refresh` mean it. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return async () => credentials;
}

/** Splits `name[:password]`; `password` is `undefined` when it has to be asked for. */
export function splitUser(text: string): { readonly username: string; readonly password: string | undefined } {
  const colon = text.indexOf(":");
  if (colon < 0) return { username: text, password: undefined };
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Identity tokens are stored under this user name by docker login. */
export const TOKEN_USER = "<token>";

/** A `user:password` in base64, as docker login stores it. Throws `invalid_argument`, never showing the text. */
export function decodeBasic(text: string, where: { readonly file: string; readonly host: string }): Credentials {
  const { username, password } = splitUser(Buffer.from(text, "base64").toString("utf8"));
  if (password !== undefined && username !== "") {
    // docker login pads with zero bytes.
    return { kind: "password", username, password: password.replace(/\0+$/, "") };
  }
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot read credentials",
    where,
    why: "auth is not base64 of user:password",
  });
}
