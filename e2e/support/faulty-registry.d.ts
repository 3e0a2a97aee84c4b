import { type Layout } from "./images.ts";
/** A registry on loopback that misbehaves as told: for what Debian's cannot be made to do. */
export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  /** Paths asked for, with their Range, in order. */
  readonly requests: readonly {
    readonly method: string;
    readonly path: string;
    readonly range: string | null;
  }[];
}
export type Answer = (request: Request, path: string) => Response | undefined | Promise<Response | undefined>;
/** Answers with `answer`, and with 404 where it returns nothing. */
export declare function startFaultyRegistry(answer: Answer): FaultyRegistry;
/** Serves `layout` as `name:tag` the way a registry does; `spoil` may answer a request in its place. */
export declare function layoutAnswer(layout: Layout, name: string, tag: string, spoil?: Answer): Answer;
