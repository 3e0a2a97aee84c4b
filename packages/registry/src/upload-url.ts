import { ContainerdError } from "@ctr/api";
import { type HttpResponse, originOf } from "./http/message.ts";

/**
 * Where an upload goes on: the Location of its last answer, absolute, a path, or a host without a scheme. The client's
 * credentials do not follow to another origin. Throws `unavailable` for one that cannot be read.
 */
export function uploadLocation(answer: HttpResponse): URL {
  const location = answer.headers.get("Location");
  const absolute = /^[a-z][a-z0-9+.-]*:\/\//i.test(location) || location.startsWith("/");
  const text = absolute ? location : `${answer.url.protocol}//${location}`;
  const url = location !== "" && URL.canParse(text, answer.url.href) ? new URL(text, answer.url) : undefined;
  if (url !== undefined && (url.protocol === "https:" || url.protocol === "http:")) return keepScheme(url, answer.url);
  throw new ContainerdError({
    code: "unavailable",
    what: "cannot push blob",
    where: { host: answer.url.host },
    why: `unable to parse location ${JSON.stringify(location)}`,
  });
}

/** The same with the digest that ends the upload. */
export function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  url.searchParams.append("digest", digest);
  return url;
}

/** Behind a TLS-ending proxy registries name themselves over plain HTTP: the same host and port is the same server. */
function keepScheme(url: URL, session: URL): URL {
  const isTwin = url.host === session.host && session.protocol === "https:" && url.protocol === "http:";
  if (!isTwin || originOf(url) === originOf(session)) return url;
  const copy = new URL(url);
  copy.protocol = session.protocol;
  return copy;
}
