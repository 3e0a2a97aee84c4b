import { answerNear, type NearMethods } from "./near.ts";

/** The methods of a facade that answer an async iterable, all of them; the others answer promises. */
export type StreamsOf<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => AsyncIterable<unknown> ? K : never]: true;
};

/**
 * A facade whose code is loaded by its first call: a short command uses one of the fifteen, and all of them together
 * take 0.4 ms to set up. `facts` are the members that are no methods.
 */
export function lazyFacade<T extends object>(
  load: () => Promise<T>,
  streams: StreamsOf<T>,
  facts: Partial<T> = {},
  near?: NearMethods<T>,
): T {
  let loading: Promise<T> | undefined;
  const call = async (name: string, args: readonly unknown[]) => {
    const answer = await answerNear(near, name, args);
    if (answer !== undefined) return answer;
    loading ??= load();
    const facade = await loading;
    // `name` was read from a T, of which all but the facts are methods.
    const method = facade[name as keyof T] as (...words: readonly unknown[]) => unknown;
    return method.apply(facade, [...args]);
  };
  async function* stream(name: string, args: readonly unknown[]): AsyncIterable<unknown> {
    // What the shape says of this method.
    yield* (await call(name, args)) as AsyncIterable<unknown>;
  }
  const proxy = new Proxy(facts, {
    get(target, name) {
      // `await facade` asks for `then`; symbols are asked for by whoever prints it.
      if (typeof name === "symbol" || name === "then" || name in target) return target[name as keyof T];
      const answer = name in streams ? stream : call;
      return (...args: readonly unknown[]) => answer(name, args);
    },
  });
  // Every member of T is answered above: the facts as they are, the methods by loading the T they belong to.
  return proxy as T;
}
