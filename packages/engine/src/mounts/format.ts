import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";

/** A mount that stands, for those that come after it. */
export interface StandingMount {
  readonly mount: Mount;
  readonly mountPoint: string;
}

const PLACEHOLDER = /\{\{-?\s*(.*?)\s*-?\}\}/g;

/**
 * Fills in what earlier mounts became: `{{ source 0 }}`, `{{ target 0 }}`, `{{ mount 0 }}` and `{{ overlay 0 2 }}`, the
 * part of Go's templates that mounts are written with. `invalid_argument` for anything else in braces.
 */
export function formatMount(mount: Mount, standing: readonly StandingMount[]): Mount {
  const fill = (text: string) => text.replace(PLACEHOLDER, (whole, inner: string) => fillIn(whole, inner, standing));
  return {
    type: mount.type,
    source: fill(mount.source),
    target: fill(mount.target),
    options: mount.options.map(fill),
  };
}

function fillIn(whole: string, inner: string, standing: readonly StandingMount[]): string {
  const [word, ...numbers] = inner.split(/\s+/);
  const [first, second] = numbers.map(Number);
  const at = (index: number | undefined): StandingMount => {
    const found = index === undefined ? undefined : standing[index];
    if (found !== undefined) return found;
    throw fault(whole, `there are ${standing.length} mounts before it`);
  };
  if (!numbers.every((number) => /^\d+$/.test(number))) throw fault(whole, "a mount is named by its number");
  const count = word === "overlay" ? 2 : 1;
  if (numbers.length !== count) throw fault(whole, `it takes ${count === 1 ? "one number" : "two numbers"}`);
  switch (word) {
    case "source":
      return at(first).mount.source;
    case "target":
      return at(first).mount.target;
    case "mount":
      return at(first).mountPoint;
    case "overlay":
      return range(first ?? 0, second ?? 0)
        .map((index) => at(index).mountPoint)
        .join(":");
    default:
      throw fault(whole, "known are source, target, mount and overlay");
  }
}

/** Both ends included, in either direction. */
function range(from: number, to: number): readonly number[] {
  // A number that no mount has is told of as such, not counted up to.
  const last = Math.min(Math.abs(to - from), 1000);
  return Array.from({ length: last + 1 }, (_, step) => (from <= to ? from + step : from - step));
}

function fault(placeholder: string, why: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: `cannot fill in ${placeholder}`, why });
}
