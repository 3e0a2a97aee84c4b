import { ContainerdError } from "@ctr/api";
import type { Labels } from "@ctr/oci";

/** What a path of an update mask names: a field, or one key of a map (`labels.<key>`; the key may hold dots). */
export type MaskPath<Field extends string, MapField extends string> =
  | { readonly kind: "field"; readonly field: Field }
  | { readonly kind: "key"; readonly field: MapField; readonly key: string };

/** What an update of one kind of record may name. */
export interface MaskRules<Field extends string, MapField extends string> {
  /** Fields that are replaced whole. */
  readonly fields: readonly Field[];
  /** Fields whose keys may be named one by one. */
  readonly maps: readonly MapField[];
  /** For the error: `image "a"`. */
  readonly of: string;
}

/** The paths of a mask; `invalid_argument` for one the record does not have. Engine reference: Update field masks. */
export function readMask<Field extends string, MapField extends string>(
  paths: readonly string[],
  rules: MaskRules<Field, MapField>,
): readonly MaskPath<Field, MapField>[] {
  return paths.map((path) => {
    const field = rules.fields.find((name) => name === path);
    if (field !== undefined) return { kind: "field", field };
    const map = rules.maps.find((name) => path.startsWith(`${name}.`));
    if (map !== undefined) return { kind: "key", field: map, key: path.slice(map.length + 1) };
    throw new ContainerdError({
      code: "invalid_argument",
      what: `cannot update ${JSON.stringify(path)} field on ${rules.of}`,
    });
  });
}

/** `current` with one key taken from `given`; a key that is not there, or empty there, is dropped. */
export function withKey<T>(
  current: Readonly<Record<string, T>>,
  given: Readonly<Record<string, T>>,
  key: string,
): Readonly<Record<string, T>> {
  const others = Object.entries(current).filter(([name]) => name !== key);
  const value = Object.hasOwn(given, key) ? given[key] : undefined;
  return Object.fromEntries(value === undefined || value === "" ? others : [...others, [key, value]]);
}

/** Labels after an update that may name only labels: content's and snapshots'. All are replaced without a mask. */
export function updateLabels(current: Labels, given: Labels, mask: { paths: readonly string[]; of: string }): Labels {
  if (mask.paths.length === 0) return given;
  let labels = current;
  for (const path of readMask(mask.paths, { fields: ["labels"], maps: ["labels"], of: mask.of })) {
    labels = path.kind === "field" ? given : withKey(labels, given, path.key);
  }
  return labels;
}
