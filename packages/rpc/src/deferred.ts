/** A promise and what settles it: `Promise.withResolvers`, which Node 20 does not have. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** Bun's own where there is one: its `new Promise` is a function that is parsed when a program first calls it. */
export function createDeferred<T>(): Deferred<T> {
  if (typeof Promise.withResolvers === "function") return Promise.withResolvers<T>();
  let settle: Pick<Deferred<T>, "resolve" | "reject"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // The executor has run by now: a promise's constructor calls it at once.
  return { promise, resolve: (value) => settle?.resolve(value), reject: (reason) => settle?.reject(reason) };
}
