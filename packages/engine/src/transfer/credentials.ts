import { ContainerdError, decodeAnyAs, encodeAny, type MessageOf, transferRegistry } from "@ctr/api";
import type { CredentialSource, Credentials } from "@ctr/registry";
import type { StreamEnd } from "./streams.ts";

type AuthResponse = MessageOf<"containerd.types.transfer.AuthResponse">;

/** Asks the client on its stream, one host at a time: an answer does not say which question it is for. */
export function streamCredentials(stream: StreamEnd, reference: string): CredentialSource {
  let last: Promise<unknown> = Promise.resolve();
  return (host) => {
    const answer = last.then(async () => {
      stream.send(encodeAny("containerd.types.transfer.AuthRequest", { host, reference }));
      const any = await stream.receive();
      const response = decodeAnyAs(any, "containerd.types.transfer.AuthResponse");
      if (response !== undefined) return credentialsOf(response);
      const why = any === undefined ? "the client let go of its stream" : `it answered with ${any.typeUrl}`;
      throw new ContainerdError({ code: "unauthenticated", what: "cannot ask for credentials", where: { host }, why });
    });
    // The failure is its asker's; the next one has a question of its own.
    last = answer.catch(() => undefined);
    return answer;
  };
}

function credentialsOf({ authType, username, secret }: AuthResponse): Credentials | undefined {
  const { AuthType } = transferRegistry;
  if (authType === AuthType.CREDENTIALS) return { kind: "password", username, password: secret };
  return authType === AuthType.REFRESH && secret !== "" ? { kind: "refresh-token", token: secret } : undefined;
}
