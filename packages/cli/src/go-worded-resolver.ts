import { ContainerdError } from "@ctr/api";
import type { Resolver } from "@ctr/registry";
import { withoutClass, wrap } from "./errors.ts";

/** The hint where a registry does not believe who is asking; `undefined` keeps the error's own. */
export type RefusalHint = () => string | undefined;

export interface GoWordsOptions {
  readonly hint: RefusalHint;
  /** Awaited after each request, so that what it logged stands before what is printed of it. */
  readonly settled: () => Promise<void>;
}

/**
 * The same resolver, failing in the Go tool's words: `failed to resolve reference "…": …` first, and no class words
 * after what a registry or the network said; `not found` is in the text where it belongs.
 */
export function withGoWords(resolver: Resolver, { hint, settled }: GoWordsOptions): Resolver {
  const plain = (error: unknown) => reworded(error, hint);
  return {
    resolve: (reference, options) =>
      resolver
        .resolve(reference, options)
        .catch((error: unknown) => {
          throw wrap(`failed to resolve reference ${JSON.stringify(reference)}`, plain(error));
        })
        .finally(settled),
    fetcher(reference) {
      const fetcher = resolver.fetcher(reference);
      return {
        async *fetch(descriptor, options) {
          try {
            yield* fetcher.fetch(descriptor, options);
          } catch (error) {
            throw plain(error);
          } finally {
            await settled();
          }
        },
        describe: (digest, options) =>
          fetcher
            .describe(digest, options)
            .catch((error: unknown) => {
              throw plain(error);
            })
            .finally(settled),
      };
    },
    referrers: (reference, digest, options) =>
      resolver
        .referrers(reference, digest, options)
        .catch((error: unknown) => {
          throw plain(error);
        })
        .finally(settled),
    pusher(reference) {
      const pusher = resolver.pusher(reference);
      return {
        push: (descriptor, source, options) =>
          pusher
            .push(descriptor, source, options)
            .catch((error: unknown) => {
              throw plain(error);
            })
            .finally(settled),
      };
    },
  };
}

function reworded(error: unknown, hint: RefusalHint): unknown {
  if (!(error instanceof ContainerdError)) return error;
  const fix = error.code === "unauthenticated" ? (hint() ?? error.fix) : error.fix;
  return withoutClass(fix === undefined ? error : new ContainerdError({ ...partsOf(error), fix }));
}

function partsOf({ code, what, where, why, cause }: ContainerdError) {
  return { code, what, where, why, cause };
}
