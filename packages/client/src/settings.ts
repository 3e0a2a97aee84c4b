/** What every call of the SDK takes, last and optional. */
export interface CallSettings {
  /** Aborting cancels the call on both sides. */
  readonly signal?: AbortSignal | undefined;
  /** Deadline from now; the call fails with `deadline_exceeded`. */
  readonly timeoutMs?: number | undefined;
}

let never: AbortSignal | undefined;

/** The signal of `settings`, or one that never fires: inside the packages a signal is required. */
export function signalOf(settings: CallSettings): AbortSignal {
  never ??= new AbortController().signal;
  return settings.signal ?? never;
}
