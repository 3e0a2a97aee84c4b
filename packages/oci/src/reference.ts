import { ContainerdError } from "@ctr/api";

/**
 * What a registry is asked for: `locator` is host and path, `object` is `tag`, `tag@digest` or `@digest`.
 * Nothing is defaulted: `alpine` is a host.
 */
export interface Reference {
  readonly locator: string;
  readonly object: string;
}

/** Refuses a password or token in a reference: it would be stored, and shown, as part of an image's name. */
export function refuseUserInfo(text: string): void {
  if (!/^(?:[a-z][a-z0-9+.-]*:)?(?:\/\/)?[^/]*@[^/]*\//i.test(text)) return;
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot read reference",
    why: "it holds a user or password before its host",
    fix: "give credentials with --user name:password",
  });
}

/** Reads a containerd reference. Throws `invalid_argument` with Go's words: `invalid reference`, `hostname required`. */
export function parseReference(text: string): Reference {
  refuseUserInfo(text);
  if (text.includes("://")) throw badReference(text, "invalid reference");
  const fault = urlFault(text);
  if (fault !== undefined) throw badReference(text, fault);
  // A query or fragment is no part of host or path, as in Go's URL.
  const rest = text.split(/[?#]/, 1)[0] ?? "";
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const host = decodePercent(authority.slice(authority.lastIndexOf("@") + 1));
  if (host === "") throw badReference(text, "hostname required");
  checkHost(text, host);
  const path = slash < 0 ? "" : decodePercent(rest.slice(slash));
  const at = path.search(/[:@]/);
  const object = at < 0 ? "" : path.slice(path[at] === ":" ? at + 1 : at);
  return { locator: joinPath(host, at < 0 ? path : path.slice(0, at)), object };
}

/** The text a reference was read from, cleaned; one with an object but no path is read back as host and port. */
export function formatReference(reference: Reference): string {
  if (reference.object === "") return reference.locator;
  return reference.locator + (reference.object.startsWith("@") ? "" : ":") + reference.object;
}

/** Registry host, with its port. */
export function referenceHost(reference: Reference): string {
  return reference.locator.split("/", 1)[0] ?? "";
}

/** Repository on the host; "" where the locator is a host alone. */
export function referencePath(reference: Reference): string {
  const slash = reference.locator.indexOf("/");
  return slash < 0 ? "" : reference.locator.slice(slash + 1);
}

/** The object's tag and digest text; either may be "". The digest is not validated: mint it with `parseDigest`. */
export function splitObject(object: string): { readonly tag: string; readonly digest: string } {
  const at = object.indexOf("@");
  if (at < 0) return { tag: object, digest: "" };
  return { tag: object.slice(0, at), digest: object.slice(at + 1) };
}

function badReference(text: string, why: string): ContainerdError {
  return new ContainerdError({
    code: "invalid_argument",
    what: `cannot read reference ${JSON.stringify(text)}`,
    why,
    fix: "write it in full, as docker.io/library/alpine:latest",
  });
}

/** Control characters and broken escapes, which Go's URL parser refuses. */
function urlFault(text: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) return "invalid control character in URL";
  const broken = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(text);
  return broken === null ? undefined : `invalid URL escape ${JSON.stringify(broken[0])}`;
}

function checkHost(text: string, host: string): void {
  if (/[ "<>\\^`{|}]/.test(host)) throw badReference(text, "invalid character in host name");
  const port = /^(?:\[[^\]]*\]|[^:]*):(.*)$/.exec(host);
  if (port !== null && !/^\d*$/.test(port[1] ?? "")) {
    throw badReference(text, `invalid port ${JSON.stringify(`:${port[1]}`)} after host`);
  }
  if (port === null && host.includes(":") && !host.startsWith("[")) throw badReference(text, "invalid reference");
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Escapes that are no UTF-8: Go keeps the bytes, and no registry name holds them; leave the text.
    return text;
  }
}

/** Joins and cleans as Go's path.Join: no empty, `.` or `..` elements are left, and `..` never climbs over the host. */
function joinPath(host: string, path: string): string {
  const kept: string[] = [];
  for (const element of path.split("/")) {
    if (element === "..") kept.pop();
    else if (element !== "" && element !== ".") kept.push(element);
  }
  return [host, ...kept].join("/");
}
