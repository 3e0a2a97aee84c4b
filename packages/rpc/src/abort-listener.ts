/** Who wants to hear of each signal's abort. One listener serves them all: Node warns of a leak from the eleventh on. */
const listeners = new WeakMap<AbortSignal, { readonly calls: Set<() => void>; readonly relay: () => void }>();

/** Calls `call` when `signal` aborts, unless the returned function was called first. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const shared = listeners.get(signal) ?? listen(signal);
  shared.calls.add(call);
  return () => {
    if (!shared.calls.delete(call) || shared.calls.size > 0 || listeners.get(signal) !== shared) return;
    listeners.delete(signal);
    signal.removeEventListener("abort", shared.relay);
  };
}

function listen(signal: AbortSignal): { readonly calls: Set<() => void>; readonly relay: () => void } {
  const calls = new Set<() => void>();
  const relay = () => {
    for (const call of [...calls]) call();
  };
  const shared = { calls, relay };
  listeners.set(signal, shared);
  signal.addEventListener("abort", relay);
  return shared;
}
