import type { Descriptor } from "../descriptor.ts";
import type { Digest } from "../digest.ts";
import { parseReference } from "../reference.ts";

/** Annotation with an image's full name. */
export const IMAGE_NAME_ANNOTATION = "io.containerd.image.name";
/** Annotation with its tag, or whatever another tool put there. Image-spec, annotations.md. */
export const REF_NAME_ANNOTATION = "org.opencontainers.image.ref.name";

/** How `images import` names what an archive holds. */
export interface ImportNaming {
  /** Put before names that are a tag alone. */
  readonly prefix: string;
  /** Drop full names that do not begin with the prefix: `--base-name` was given. */
  readonly filter?: boolean;
  /** Name every manifest `prefix@digest` too. */
  readonly digests?: boolean;
  /** Only those that have no other name. */
  readonly skipDigestForNamed?: boolean;
}

/** `import-YYYY-MM-DD` in local time, the prefix where none is given. */
export function defaultImportPrefix(now: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `import-${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

/** The names one manifest of an imported index gets; none keeps it without a record. */
export function importNames(manifest: Descriptor, naming: ImportNaming): readonly string[] {
  const name = ownName(manifest, naming);
  const wantsDigest = naming.digests === true && !(name !== "" && naming.skipDigestForNamed === true);
  return [...(name === "" ? [] : [name]), ...(wantsDigest ? [digestName(naming.prefix, manifest.digest)] : [])];
}

function digestName(prefix: string, digest: Digest): string {
  return `${prefix}@${digest}`;
}

/** The annotation of containerd is taken as it is; that of the image-spec may be a tag alone. */
function ownName(manifest: Descriptor, naming: ImportNaming): string {
  const full = manifest.annotations?.[IMAGE_NAME_ANNOTATION] ?? "";
  if (full !== "") return full;
  const name = manifest.annotations?.[REF_NAME_ANNOTATION] ?? "";
  if (name === "") return "";
  if (!/[/:@]/.test(name)) return `${naming.prefix}:${name}`;
  return naming.filter === true && !extendsPrefix(name, naming.prefix) ? "" : name;
}

/** Equal, or longer by a path, tag or digest: `a/b` is not a prefix of `a/bc`. */
function extendsPrefix(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && (name.length === prefix.length || /[/:@]/.test(name.charAt(prefix.length)));
}

/** What image-spec's annotation says for a full name: the tag, or the whole where there is none. */
export function refNameOf(name: string): string {
  try {
    return parseReference(name).object;
  } catch {
    // Any text may name an image; one that is no reference is its own short form.
    return name;
  }
}
