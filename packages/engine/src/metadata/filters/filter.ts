import { ContainerdError } from "@ctr/api";
import { compilePattern } from "./pattern.ts";
import { parseSelectors, type Selector } from "./selector.ts";

/** A field's text and whether the object has it; one that is not there counts as "" for `!=` and `~=`. */
export type FieldValue = readonly [value: string, present: boolean];

/** How an object answers a filter: what it has under a field path. */
export type FieldReader = (path: readonly string[]) => FieldValue;

/** Whether an object passes. */
export type Filter = (fields: FieldReader) => boolean;

/** What a path that names nothing is answered with. */
export const ABSENT: FieldValue = ["", false];

/** A text field: there, unless it is empty. */
export function textField(text: string): FieldValue {
  return [text, text !== ""];
}

/** A key of a map; the rest of the path is the key, dots and all. */
export function mapField(map: Readonly<Record<string, string>>, path: readonly string[]): FieldValue {
  const key = path.join(".");
  const value = Object.hasOwn(map, key) ? map[key] : undefined;
  return value === undefined ? ABSENT : [value, true];
}

/**
 * A filter that passes what any of `filters` passes; everything when there are none, or one is empty. Throws
 * `invalid_argument` for one that cannot be read. Engine reference: Filters and field masks.
 */
export function parseFilters(filters: readonly string[]): Filter {
  const alternatives = filters.map(parseFilter);
  if (alternatives.length === 0) return () => true;
  return (fields) => alternatives.some((passes) => passes(fields));
}

function parseFilter(text: string): Filter {
  if (text === "") return () => true;
  const parsed = parseSelectors(text);
  if ("fault" in parsed) {
    const { at, why } = parsed.fault;
    const place = at < text.length ? `${text.slice(0, at)} >|${text.charAt(at)}|< ${text.slice(at + 1)}` : text;
    throw new ContainerdError({
      code: "invalid_argument",
      what: `filters: parse error: [${place}]: ${why}`,
    });
  }
  const conditions = parsed.selectors.map(matcherOf);
  return (fields) => conditions.every((passes) => passes(fields));
}

function matcherOf(selector: Selector): Filter {
  const { path, operator, value } = selector;
  switch (operator) {
    case "present":
      return (fields) => fields(path)[1];
    case "==":
      return (fields) => {
        const [text, present] = fields(path);
        return present && text === value;
      };
    case "!=":
      return (fields) => fields(path)[0] !== value;
    case "~=": {
      // containerd takes a pattern it cannot compile for one that nothing matches.
      const matches = compilePattern(value) ?? (() => false);
      return (fields) => matches(fields(path)[0]);
    }
    default:
      return operator satisfies never;
  }
}
