import { type Labels, type Reference, referenceHost, referencePath } from "@ctr/oci";

const PREFIX = "containerd.io/distribution.source.";
/** Longest label, key and value together, that containerd stores, in bytes. */
const MAX_LABEL_BYTES = 4096;

/** The label that says which repository of which host (without its port) a blob came from. */
export function distributionSource(reference: Reference): { readonly label: string; readonly repository: string } {
  const host = referenceHost(reference)
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");
  return { label: PREFIX + host, repository: referencePath(reference) };
}

/** A comma-separated, sorted list with `repository` in it; the old list where the new one would be too long. */
export function mergeSource(list: string, repository: string): string {
  const known = list.split(",").filter((one) => one !== "");
  const merged = [...new Set([...known, repository])].toSorted().join(",");
  return merged.length + PREFIX.length + 256 > MAX_LABEL_BYTES && list !== "" ? list : merged;
}

/** The repositories of the reference's host that hold a blob with these labels. */
export function sourceRepositories(labels: Labels, reference: Reference): readonly string[] {
  const list = labels[distributionSource(reference).label] ?? "";
  return list.split(",").filter((one) => one !== "");
}
