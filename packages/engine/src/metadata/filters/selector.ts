import { readQuoted } from "./quoted.ts";

/** One condition of a filter; a bare path has the operator `present`. */
export interface Selector {
  readonly path: readonly string[];
  readonly operator: "present" | "==" | "!=" | "~=";
  readonly value: string;
}

/** Where in the text something is wrong, and what. */
export interface Fault {
  readonly at: number;
  readonly why: string;
}

export type ParsedSelectors = { readonly selectors: readonly Selector[] } | { readonly fault: Fault };

const FIELD = /[A-Za-z0-9_]+/y;
const OPERATOR = /[=!~]+/y;
/** What Go calls graphic, without space and comma. */
const VALUE = /(?:(?!,)[\p{L}\p{M}\p{N}\p{P}\p{S}])+/uy;
const SPACE = /\s*/y;
/** These begin a token of their own wherever one begins, also where a value is due: `topic==/x` is a fault. */
const QUOTES = ['"', "/", "|"];

/** Reads `selector ("," selector)*`. Space is skipped where a token begins, not where one ends, as containerd does. */
export function parseSelectors(text: string): ParsedSelectors {
  const cursor = new Cursor(text);
  try {
    const selectors = [cursor.selector()];
    while (!cursor.atEnd) {
      if (!cursor.skip(",")) return { fault: { at: cursor.at, why: `unexpected input: ${cursor.current}` } };
      selectors.push(cursor.selector());
    }
    return { selectors };
  } catch (error) {
    if (error instanceof FaultError) return { fault: error.fault };
    throw error;
  }
}

class FaultError extends Error {
  readonly fault: Fault;

  constructor(at: number, why: string) {
    super(why);
    this.fault = { at, why };
  }
}

class Cursor {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.at >= this.#text.length;
  }

  get current(): string {
    return this.#text.charAt(this.at);
  }

  /** Passes `char` if it comes next. */
  skip(char: string): boolean {
    if (this.current !== char) return false;
    this.at++;
    return true;
  }

  selector(): Selector {
    const path = [this.#field()];
    while (this.skip(".")) path.push(this.#field());
    if (this.atEnd || this.current === ",") return { path, operator: "present", value: "" };
    const operator = this.#operator();
    return { path, operator, value: this.#value(operator === "~=") };
  }

  #field(): string {
    this.#take(SPACE);
    if (QUOTES.includes(this.current)) return this.#quoted(false);
    return this.#take(FIELD) ?? this.#fail("expected field or quoted");
  }

  #operator(): Selector["operator"] {
    this.#take(SPACE);
    const start = this.at;
    const text = this.#take(OPERATOR);
    if (text === "==" || text === "!=" || text === "~=") return text;
    if (text !== undefined) throw new FaultError(start, `unsupported operator ${JSON.stringify(text)}`);
    return this.#fail('expected an operator ("=="|"!="|"~=")');
  }

  #value(isPattern: boolean): string {
    this.#take(SPACE);
    if (QUOTES.includes(this.current)) return this.#quoted(isPattern);
    if (/[.=!~]/.test(this.current)) return this.#fail("expected value or quoted");
    return this.#take(VALUE) ?? this.#fail("expected value or quoted");
  }

  /** Only a pattern may stand between slashes or pipes. */
  #quoted(isPattern: boolean): string {
    const start = this.at;
    const read = readQuoted(this.#text, start);
    if ("why" in read) throw new FaultError(start, read.why);
    if (!isPattern && this.current !== '"') throw new FaultError(start, "invalid quote encountered");
    this.at = read.end;
    return read.value;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  #fail(why: string): never {
    throw new FaultError(this.at, why);
  }
}
