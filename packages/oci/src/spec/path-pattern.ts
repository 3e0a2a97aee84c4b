import type { SpecHost } from "./option.ts";

/** Existing paths that match a pattern of `*`, `?` and `[a-z]`, none of which matches a slash; sorted. */
export async function expandPattern(pattern: string, host: SpecHost): Promise<readonly string[]> {
  const parts = pattern.split("/").filter((part) => part !== "");
  let found: readonly string[] = [""];
  for (const part of parts) {
    const next = await Promise.all(found.map((dir) => entriesMatching(dir, part, host)));
    found = next.flat();
  }
  const existing = await Promise.all(found.map((path) => host.realPath(path)));
  return found.filter((_path, index) => existing[index] !== undefined).toSorted();
}

async function entriesMatching(dir: string, part: string, host: SpecHost): Promise<readonly string[]> {
  if (!/[*?[\\]/.test(part)) return [`${dir}/${part}`];
  const matcher = toRegExp(part);
  const entry = await host.stat(dir || "/").catch(() => undefined);
  const names = entry?.kind === "directory" ? entry.names : [];
  return names.filter((name) => matcher.test(name)).map((name) => `${dir}/${name}`);
}

function toRegExp(part: string): RegExp {
  const source = part.replace(
    /\\(.)|\[(\^?)((?:\\.|[^\]\\])+)\]|[*?]|[.+^${}()|[\]\\]/g,
    (match, escaped, not, set) => {
      if (escaped !== undefined) return `\\${escaped}`;
      if (set !== undefined) return `[${not}${set.replaceAll("[", "\\[")}]`;
      if (match === "*") return ".*";
      return match === "?" ? "." : `\\${match}`;
    },
  );
  return new RegExp(`^${source}$`, "su");
}
