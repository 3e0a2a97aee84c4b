/** JSON text that goes out with its numbers untouched: a spec somebody else wrote. */
export class RawJson {
  readonly value: JsonNode;

  constructor(text: string) {
    this.value = parseJsonText(text);
  }
}

/** What can be written; `undefined` members are left out, bigint keeps all its digits. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | RawJson
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/** JSON as Go's encoder indents it: `{}` and `[]` when empty, `<`, `>` and `&` escaped, no final newline. */
export function formatGoJson(value: JsonValue, indent: string): string {
  return print(toNode(value), indent, "\n");
}

/** JSON on one line without blanks, escaped as Go does. */
export function compactGoJson(value: JsonValue): string {
  return print(toNode(value), "", "");
}

type JsonNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly JsonNode[] }
  | { readonly kind: "record"; readonly members: readonly (readonly [string, JsonNode])[] };

function toNode(value: JsonValue): JsonNode {
  if (value instanceof RawJson) return value.value;
  if (value === null || typeof value !== "object") return { kind: "text", text: scalar(value) };
  if (isList(value)) return { kind: "list", items: value.map(toNode) };
  const members: (readonly [string, JsonNode])[] = [];
  for (const [key, member] of Object.entries(value)) if (member !== undefined) members.push([key, toNode(member)]);
  return { kind: "record", members };
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function scalar(value: null | boolean | number | bigint | string): string {
  return typeof value === "string" ? quoteGoJson(value) : String(value);
}

/** A string as Go's encoder writes it. */
export function quoteGoJson(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(/[<>&\u2028\u2029]|\\b|\\f|\\\\/g, (found) => {
    if (found === "\\\\") return found;
    if (found === "\\b") return "\\u0008";
    if (found === "\\f") return "\\u000c";
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function print(node: JsonNode, indent: string, newline: string): string {
  if (node.kind === "text") return node.text;
  const colon = newline === "" ? ":" : ": ";
  const deeper = newline === "" ? "" : newline + indent;
  const items =
    node.kind === "list"
      ? node.items.map((item) => print(item, indent, deeper))
      : node.members.map(([key, item]) => quoteGoJson(key) + colon + print(item, indent, deeper));
  const [open, close] = node.kind === "list" ? "[]" : "{}";
  return items.length === 0 ? `${open}${close}` : `${open}${deeper}${items.join(`,${deeper}`)}${newline}${close}`;
}

/** Reads JSON keeping every number's digits and every member's place. Throws SyntaxError as JSON.parse does. */
function parseJsonText(text: string): JsonNode {
  // Whatever JSON.parse takes, the tokens below cover.
  JSON.parse(text);
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g) ?? [];
  let at = 0;
  const parse = (): JsonNode => {
    const token = tokens[at++] ?? "";
    if (token === "[") return { kind: "list", items: listItems() };
    if (token === "{") return { kind: "record", members: recordMembers() };
    return { kind: "text", text: token.startsWith('"') ? quoteGoJson(unquote(token)) : token };
  };
  const listItems = (): JsonNode[] => {
    const items: JsonNode[] = [];
    while (tokens[at] !== "]") {
      items.push(parse());
      if (tokens[at] === ",") at++;
    }
    at++;
    return items;
  };
  const recordMembers = (): (readonly [string, JsonNode])[] => {
    const members: (readonly [string, JsonNode])[] = [];
    while (tokens[at] !== "}") {
      const key = unquote(tokens[at] ?? "");
      at += 2;
      members.push([key, parse()]);
      if (tokens[at] === ",") at++;
    }
    at++;
    return members;
  };
  return parse();
}

function unquote(token: string): string {
  const text: unknown = JSON.parse(token);
  return String(text);
}
