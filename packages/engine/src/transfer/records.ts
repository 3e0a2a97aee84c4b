import { type Descriptor, IMAGE_NAME_ANNOTATION, type Image, type Labels, REF_NAME_ANNOTATION } from "@ctr/oci";
import { createImage, EXPIRE_LABEL, findImage, updateImage } from "../metadata/images.ts";
import type { TransferContext } from "./context.ts";
import type { StoreImages } from "./objects.ts";

type Reference = StoreImages["extraReferences"][number];

/** Label of a further name: it goes when the image named here goes. */
const BACK_REFERENCE = "containerd.io/gc.bref.image";
const LONG_AGO = "1970-01-01T00:00:00Z";

/** Records an image under a name; one of that name gets the new target and labels. */
export function recordImage(
  { store, scope, progress }: TransferContext,
  image: { readonly name: string; readonly target: Descriptor; readonly labels: Labels },
): Image {
  const record = store.db.write((tx) => {
    if (findImage(tx, scope.namespace, image.name) === undefined) return createImage(store, tx, scope, image);
    return updateImage(store, tx, scope, { change: image, paths: [] });
  });
  progress.image("saved", image.name, image.target);
  return record;
}

/** Further plain names of an image that `main` names: they do not outlive it. */
export function recordExtraNames(context: TransferContext, images: StoreImages, target: Descriptor): void {
  const labels = { ...images.labels, [BACK_REFERENCE]: images.name, [EXPIRE_LABEL]: LONG_AGO };
  for (const { name, isPrefix, addDigest } of images.extraReferences) {
    const names = isPrefix ? (addDigest ? [`${name}@${target.digest}`] : []) : [name];
    for (const each of names) if (each !== "") recordImage(context, { name: each, target, labels });
  }
}

/** The names that prefixes give a manifest of an archive; none leaves it without a record. */
export function prefixedNames(manifest: Descriptor, references: readonly Reference[]): readonly string[] {
  const names = references.filter(({ isPrefix }) => isPrefix).flatMap((reference) => namesBy(reference, manifest));
  return [...new Set(names)];
}

function namesBy({ name: prefix, allowOverwrite, addDigest, skipNamedDigest }: Reference, manifest: Descriptor) {
  const own = ownName(manifest, prefix, allowOverwrite);
  const named = own === "" ? [] : [own];
  const wantsDigest = addDigest && !(skipNamedDigest && own !== "");
  return wantsDigest ? [...named, `${prefix}@${manifest.digest}`] : named;
}

function ownName({ annotations = {} }: Descriptor, prefix: string, allowOverwrite: boolean): string {
  const name = annotations[IMAGE_NAME_ANNOTATION] || annotations[REF_NAME_ANNOTATION] || "";
  if (name === "") return "";
  if (!/[/:@]/.test(name)) return `${prefix}:${name}`;
  return allowOverwrite || extendsPrefix(name, prefix) ? name : "";
}

/** Equal, or longer by a path, tag or digest. */
function extendsPrefix(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && (name.length === prefix.length || /[/:@]/.test(name.charAt(prefix.length)));
}
