/** A pattern as a tree. Greed makes no difference to whether something matches, so it is not kept. */
export type Node =
  | { readonly kind: "char"; readonly test: (char: string) => boolean }
  | { readonly kind: "assert"; readonly test: (before: string, after: string) => boolean }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "either"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number | undefined };

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
}

/** RE2's own limits. https://github.com/google/re2/wiki/Syntax */
const MAX_REPEAT = 1000;
const MAX_DEPTH = 250;

const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

/** Perl's classes; in RE2 they are ASCII. */
const PERL: Readonly<Record<string, string>> = { d: "0-9", w: "0-9A-Za-z_", s: "\\t\\n\\f\\r " };

const ESCAPES: Readonly<Record<string, string>> = { a: "\x07", f: "\f", t: "\t", n: "\n", r: "\r", v: "\v" };

const WORD = /^[0-9A-Za-z_]$/;

/** The tree of an RE2 pattern; undefined when it is none. Lookaround and back references are no part of RE2. */
export function parsePattern(pattern: string): Node | undefined {
  try {
    return new PatternParser(pattern).parse();
  } catch (error) {
    if (error instanceof PatternError) return undefined;
    throw error;
  }
}

class PatternError extends Error {}

class PatternParser {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;
  #flags: Flags = { ignoreCase: false, multiline: false, dotAll: false };

  constructor(pattern: string) {
    this.#chars = Array.from(pattern);
  }

  parse(): Node {
    const node = this.#either();
    return this.#at < this.#chars.length ? fail("unexpected )") : node;
  }

  #either(): Node {
    const flags = this.#flags;
    const nodes = [this.#sequence()];
    while (this.#skip("|")) nodes.push(this.#sequence());
    this.#flags = flags;
    const [first = { kind: "sequence", nodes: [] }] = nodes;
    return nodes.length === 1 ? first : { kind: "either", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#chars.length && this.#current !== "|" && this.#current !== ")") {
      nodes.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", nodes };
  }

  #repeated(node: Node): Node {
    const range = this.#repetition();
    if (range === undefined) return node;
    this.#skip("?");
    // `a**` is an error in RE2, `(a*)*` is not.
    if (this.#repetition() !== undefined) return fail("repeated repetition");
    return { kind: "repeat", node, ...range };
  }

  #repetition(): { readonly min: number; readonly max: number | undefined } | undefined {
    if (this.#skip("*")) return { min: 0, max: undefined };
    if (this.#skip("+")) return { min: 1, max: undefined };
    if (this.#skip("?")) return { min: 0, max: 1 };
    const [text, low = "", comma, high = ""] = /^\{(\d+)(,(\d*))?\}/.exec(this.#rest(16))?.values() ?? [];
    // A brace that begins no count stands for itself.
    if (text === undefined) return undefined;
    this.#at += text.length;
    const min = Number(low);
    const max = comma === undefined ? min : high === "" ? undefined : Number(high);
    if (min > MAX_REPEAT || (max !== undefined && (max > MAX_REPEAT || max < min))) return fail("bad repeat count");
    return { min, max };
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return this.#class();
      case "\\":
        return this.#escape();
      case ".":
        return { kind: "char", test: this.#flags.dotAll ? () => true : (other) => other !== "\n" };
      case "^":
        return this.#flags.multiline ? lineStart : textStart;
      case "$":
        return this.#flags.multiline ? lineEnd : textEnd;
      case "*":
      case "+":
      case "?":
        return fail("missing argument to repetition");
      default:
        return this.#literal(char);
    }
  }

  #group(): Node {
    if (++this.#depth > MAX_DEPTH) return fail("nested too deep");
    const flags = this.#flags;
    if (this.#skip("?")) {
      const [name] = /^P?<[A-Za-z0-9_]+>/.exec(this.#rest(256)) ?? [];
      if (name !== undefined) this.#at += name.length;
      else if (this.#readFlags() === "rest") {
        this.#depth--;
        // They hold until the group around them ends.
        return { kind: "sequence", nodes: [] };
      }
    }
    const node = this.#either();
    if (!this.#skip(")")) return fail("missing )");
    this.#flags = flags;
    this.#depth--;
    return node;
  }

  /** `(?i)` holds for the rest, `(?i:…)` for the group. */
  #readFlags(): "rest" | "group" {
    const [text, on = "", off = "", end] = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(this.#rest(16)) ?? [];
    if (text === undefined || (end === ")" && text === ")")) return fail("invalid group");
    this.#at += text.length;
    const flag = (letter: string, before: boolean) => (on.includes(letter) || before) && !off.includes(letter);
    const { ignoreCase, multiline, dotAll } = this.#flags;
    this.#flags = { ignoreCase: flag("i", ignoreCase), multiline: flag("m", multiline), dotAll: flag("s", dotAll) };
    return end === ")" ? "rest" : "group";
  }

  #escape(): Node {
    const letter = this.#next();
    if (letter === "A") return textStart;
    if (letter === "z") return textEnd;
    if (letter === "b" || letter === "B") return letter === "b" ? wordEdge : notWordEdge;
    if (letter === "Q") return this.#quotedRun();
    const members = this.#classEscape(letter);
    if (members !== undefined) return charIn(`[${members}]`, this.#flags.ignoreCase);
    return this.#literal(this.#escapedChar(letter));
  }

  /** `\Q…\E`: everything between stands for itself. */
  #quotedRun(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#chars.length) {
      if (this.#rest(2) === "\\E") {
        this.#at += 2;
        break;
      }
      nodes.push(this.#literal(this.#next()));
    }
    return { kind: "sequence", nodes };
  }

  /** The members of `\d`, `\W`, `\pL`, `\P{Greek}`, in the language of JavaScript's classes; undefined for any other. */
  #classEscape(letter: string): string | undefined {
    const perl = PERL[letter];
    if (perl !== undefined) return perl;
    const inverse = PERL[letter.toLowerCase()];
    if (inverse !== undefined) return `[^${inverse}]`;
    if (letter !== "p" && letter !== "P") return undefined;
    const [text, caret = "", long, short] = /^(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/.exec(this.#rest(64)) ?? [];
    const name = long ?? short;
    if (text === undefined || name === undefined) return fail("invalid character class");
    this.#at += text.length;
    const sign = (letter === "P") !== (caret !== "") ? "P" : "p";
    const category = `\\${sign}{${name}}`;
    if (isClass(`[${category}]`)) return category;
    const script = `\\${sign}{Script=${name}}`;
    return isClass(`[${script}]`) ? script : fail("unknown character class");
  }

  #escapedChar(letter: string): string {
    const simple = ESCAPES[letter];
    if (simple !== undefined) return simple;
    if (letter === "x") return this.#hexChar();
    const [octal] = /^[0-7]{1,2}/.exec(this.#rest(2)) ?? [];
    if (letter === "0" || (/[1-7]/.test(letter) && octal !== undefined)) {
      this.#at += octal?.length ?? 0;
      return String.fromCharCode(Number.parseInt(letter + (octal ?? ""), 8));
    }
    return /^[!-/:-@[-`{-~]$/.test(letter) ? letter : fail("invalid escape sequence");
  }

  #hexChar(): string {
    const [text, long, short] = /^(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))/.exec(this.#rest(10)) ?? [];
    const code = Number.parseInt(long ?? short ?? "", 16);
    if (text === undefined || !(code <= 0x10ffff)) return fail("invalid escape sequence");
    this.#at += text.length;
    return String.fromCodePoint(code);
  }

  #class(): Node {
    const sign = this.#skip("^") ? "^" : "";
    let members = "";
    for (let first = true; first || this.#current !== "]"; first = false) members += this.#classMember();
    this.#at++;
    return charIn(`[${sign}${members}]`, this.#flags.ignoreCase);
  }

  #classMember(): string {
    const [posix, caret, name = ""] = /^\[:(\^?)([a-z]+):\]/.exec(this.#rest(12)) ?? [];
    if (posix !== undefined) {
      const members = POSIX[name] ?? fail("invalid character class");
      this.#at += posix.length;
      return caret === "" ? members : `[^${members}]`;
    }
    const low = this.#classChar();
    if (low.kind === "class") return low.members;
    if (this.#current !== "-" || this.#rest(2) === "-]") return quoteForClass(low.char);
    this.#at++;
    const high = this.#classChar();
    if (high.kind === "class" || low.char > high.char) return fail("invalid character class range");
    return `${quoteForClass(low.char)}-${quoteForClass(high.char)}`;
  }

  #classChar():
    | { readonly kind: "char"; readonly char: string }
    | { readonly kind: "class"; readonly members: string } {
    const char = this.#next();
    if (char !== "\\") return { kind: "char", char };
    const letter = this.#next();
    const members = this.#classEscape(letter);
    return members === undefined ? { kind: "char", char: this.#escapedChar(letter) } : { kind: "class", members };
  }

  #literal(char: string): Node {
    if (this.#flags.ignoreCase) return charIn(`[${quoteForClass(char)}]`, true);
    return { kind: "char", test: (other) => other === char };
  }

  get #current(): string {
    return this.#chars[this.#at] ?? "";
  }

  #next(): string {
    return this.#chars[this.#at++] ?? fail("unexpected end");
  }

  #skip(char: string): boolean {
    if (this.#current !== char) return false;
    this.#at++;
    return true;
  }

  /** Only ASCII is looked for in it, so that a position counts the same in the text and in `#chars`. */
  #rest(length: number): string {
    return this.#chars.slice(this.#at, this.#at + length).join("");
  }
}

const textStart: Node = { kind: "assert", test: (before) => before === "" };
const textEnd: Node = { kind: "assert", test: (_before, after) => after === "" };
const lineStart: Node = { kind: "assert", test: (before) => before === "" || before === "\n" };
const lineEnd: Node = { kind: "assert", test: (_before, after) => after === "" || after === "\n" };
const wordEdge: Node = { kind: "assert", test: (before, after) => WORD.test(before) !== WORD.test(after) };
const notWordEdge: Node = { kind: "assert", test: (before, after) => WORD.test(before) === WORD.test(after) };

/** A class is JavaScript's own: asked for one character at a time, it has nothing to backtrack over. */
function charIn(members: string, ignoreCase: boolean): Node {
  const expression = new RegExp(`^${members}$`, ignoreCase ? "vi" : "v");
  return { kind: "char", test: (char) => expression.test(char) };
}

function isClass(members: string): boolean {
  try {
    new RegExp(members, "v");
    return true;
  } catch {
    // The only thing that can be wrong with it is its name.
    return false;
  }
}

function quoteForClass(char: string): string {
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}

function fail(why: string): never {
  throw new PatternError(why);
}
