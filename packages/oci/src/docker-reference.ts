import { ContainerdError } from "@ctr/api";
import { type Digest, parseDigest } from "./digest.ts";

/** A name in Docker's grammar, normalised: the domain is there, and `library/` on Docker Hub. */
export interface DockerReference {
  readonly domain: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const domainLabel = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domain = `(?:${domainLabel}(?:\\.${domainLabel})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const pattern = new RegExp(`^(${domain})/(${component}(?:/${component})*)(?::(${tag}))?(?:@(${digest}))?$`);

/** Longest name of a repository, set by the distribution grammar. */
const MAX_NAME_LENGTH = 255;

/**
 * Reads what people type (`alpine`, `me/app:1`, `host:5000/x@sha256:…`) as a full name; no tag is added.
 * Throws `invalid_argument` with the words of Docker's grammar.
 */
export function parseDockerReference(text: string): DockerReference {
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw new ContainerdError({
      code: "invalid_argument",
      what: `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    });
  }
  const { domain: host, remainder } = splitDomain(text);
  const name = remainder.split(":", 1)[0] ?? "";
  if (name.toLowerCase() !== name) throw badFormat("invalid reference format: repository name must be lowercase");
  const match = pattern.exec(`${host}/${remainder}`);
  if (match === null) throw badFormat("invalid reference format");
  const [, domainText = "", path = "", tagText, digestText] = match;
  // distribution/reference counts the path alone since 0.6, the whole name before: refuse what neither takes.
  if (path.length > MAX_NAME_LENGTH)
    throw badFormat(`repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  return {
    domain: domainText,
    path,
    tag: tagText,
    digest: digestText === undefined ? undefined : parseDigest(digestText),
  };
}

/** The name containerd stores for what people type: tag `latest` added where there is none, tag dropped beside a digest. */
export function normalizeDockerName(text: string): string {
  const parsed = parseDockerReference(text);
  if (parsed.digest !== undefined) return formatDockerReference({ ...parsed, tag: undefined });
  return formatDockerReference({ ...parsed, tag: parsed.tag ?? "latest" });
}

/** A full name as Docker shows it (`docker.io/library/alpine:3` is `alpine:3`), with `latest` where it names nothing else. */
export function familiarDockerName(text: string): string {
  const parsed = parseDockerReference(text);
  const tagged = parsed.tag === undefined && parsed.digest === undefined ? { ...parsed, tag: "latest" } : parsed;
  if (tagged.domain !== "docker.io") return formatDockerReference(tagged);
  const [first, second, ...more] = tagged.path.split("/");
  const short = first === "library" && second !== undefined && more.length === 0 ? second : tagged.path;
  return short + objectSuffix(tagged);
}

/** The full name. */
export function formatDockerReference(reference: DockerReference): string {
  return `${reference.domain}/${reference.path}${objectSuffix(reference)}`;
}

/**
 * The check `images tag` makes of a new name since 2.x. Throws `invalid_argument` with its words; a name that is
 * not written in full is taken as well.
 */
export function checkImageName(text: string): void {
  try {
    parseDockerReference(text);
  } catch (error) {
    throw new ContainerdError({
      code: "invalid_argument",
      what: `error parsing reference: ${JSON.stringify(text)} is not a valid repository/tag`,
      why: error instanceof Error ? error.message : String(error),
      fix: "--skip-reference-check takes any text as a name",
      cause: error,
    });
  }
}

function objectSuffix(reference: DockerReference): string {
  const tagged = reference.tag === undefined ? "" : `:${reference.tag}`;
  return tagged + (reference.digest === undefined ? "" : `@${reference.digest}`);
}

/** The first element is a domain only if it looks like one; else the name is on Docker Hub. */
function splitDomain(name: string): { domain: string; remainder: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first;
  const host = isDomain && first !== "index.docker.io" ? first : "docker.io";
  const remainder = isDomain ? name.slice(slash + 1) : name;
  return {
    domain: host,
    remainder: host === "docker.io" && !remainder.includes("/") ? `library/${remainder}` : remainder,
  };
}

function badFormat(what: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what });
}
