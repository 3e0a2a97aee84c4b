import type { Scope } from "../scope.ts";
import type { Store } from "../store/store.ts";
import type { TransferProgress } from "./progress.ts";
import type { StreamEnd } from "./streams.ts";

/** What one transfer works with. */
export interface TransferContext {
  readonly store: Store;
  /** The lease in it keeps what the transfer makes. */
  readonly scope: Scope;
  readonly progress: TransferProgress;
  readonly signal: AbortSignal;
  /** A stream of the same client; `not_found` where it holds none of that id. */
  stream(id: string): StreamEnd;
}
