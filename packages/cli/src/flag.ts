/** What a flag's text becomes; the kinds Go's flag packages know. */
export interface FlagValueOf {
  readonly bool: boolean;
  readonly string: string;
  readonly stringSlice: readonly string[];
  readonly int: number;
  readonly intSlice: readonly number[];
  readonly int64: bigint;
  /** As Go's on a 64-bit machine. */
  readonly uint: bigint;
  readonly uint64: bigint;
  readonly float64: number;
  /** Nanoseconds. */
  readonly duration: bigint;
}

export type FlagKind = keyof FlagValueOf;

/** A flag as declared: one entry feeds parser, help and completion. */
export interface FlagSpec<K extends FlagKind = FlagKind> {
  readonly kind: K;
  readonly summary: string;
  readonly aliases: readonly string[];
  readonly default: FlagValueOf[K];
  /** Environment variables that stand in for the flag; the first that is set wins, even when empty. */
  readonly env: readonly string[];
  readonly hidden: boolean;
  readonly required: boolean;
}

/** The parts of a declaration that are seldom given. */
export interface FlagExtras<K extends FlagKind> {
  readonly alias?: string;
  readonly default?: FlagValueOf[K];
  readonly env?: string;
  readonly hidden?: boolean;
  readonly required?: boolean;
}

/** Flags of one command by their long name, in the order help shows them. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The parsed values of `D`, under camel-case keys: `skip-verify` is `skipVerify`. */
export type FlagValues<D extends FlagSpecs> = {
  readonly [N in keyof D & string as CamelCase<N>]: D[N] extends FlagSpec<infer K> ? FlagValueOf[K] : never;
};

function declare<K extends FlagKind>(kind: K, zero: FlagValueOf[K]) {
  return (summary: string, extras: FlagExtras<K> = {}): FlagSpec<K> => ({
    kind,
    summary,
    aliases: extras.alias === undefined ? [] : [extras.alias],
    default: extras.default ?? zero,
    env: extras.env === undefined ? [] : [extras.env],
    hidden: extras.hidden ?? false,
    required: extras.required ?? false,
  });
}

/** `--name`, `--name=true`. */
export const bool = declare("bool", false);
/** Any text; the last one given counts. */
export const string = declare("string", "");
/** Repeatable text; a comma never splits. */
export const stringSlice = declare("stringSlice", []);
/** A whole number that fits a double exactly. */
export const int = declare("int", 0);
/** Repeatable whole numbers. */
export const intSlice = declare("intSlice", []);
/** A signed 64-bit number. */
export const int64 = declare("int64", 0n);
/** An unsigned number. */
export const uint = declare("uint", 0n);
/** An unsigned 64-bit number. */
export const uint64 = declare("uint64", 0n);
/** A floating-point number. */
export const float64 = declare("float64", 0);
/** A Go duration, held in nanoseconds. */
export const duration = declare("duration", 0n);

/** `--quiet` of a list. */
export const quietFlag = (what: string) => ({ quiet: bool(`print only ${what}`, { alias: "q" }) });
