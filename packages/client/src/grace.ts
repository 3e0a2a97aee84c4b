/** How long a call under way may go on after its caller gave up, milliseconds. */
const GRACE_MS = 5_000;

/**
 * A signal that aborts a little after `signal`: for short calls that make something, so that it is known, and can be
 * removed, whether they did.
 */
export function withGrace(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  const wait = () => {
    const timer = setTimeout(() => late.abort(signal.reason), GRACE_MS);
    timer.unref();
  };
  if (signal.aborted) wait();
  else signal.addEventListener("abort", wait, { once: true });
  return late.signal;
}
