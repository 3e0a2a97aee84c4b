/** One kind of token that must differ between two runs of the same command, and why. */
export interface Mask {
  readonly token: RegExp;
  readonly word: string;
  readonly reason: string;
}
/**
 * The one list of what is not compared. A mask replaces a token, never a line, and keeps the token's width class out of
 * the question only where its reason says so.
 */
export declare const masks: readonly Mask[];
/** `text` with every token that must differ replaced by its word. */
export declare function mask(text: string): string;
