import { ContainerdError } from "@ctr/api";
import { type Digest, digestOf } from "./digest.ts";

declare const chainBrand: unique symbol;

/** Names a stack of diff IDs; the name of the committed snapshot that holds it. Image-spec, config.md "Layer ChainID". */
export type ChainID = Digest & { readonly [chainBrand]: true };

/** The chain ID of each layer, base first. */
export function chainIDs(diffIDs: readonly Digest[]): readonly ChainID[] {
  const chain: ChainID[] = [];
  let parent: ChainID | undefined;
  for (const diffID of diffIDs) {
    const name = parent === undefined ? diffID : digestOf(new TextEncoder().encode(`${parent} ${diffID}`));
    // This is the recurrence that defines a chain ID.
    parent = name as ChainID;
    chain.push(parent);
  }
  return chain;
}

/** The chain ID of the whole stack. Throws `invalid_argument` for an image without layers, which has none. */
export function chainIDOf(diffIDs: readonly Digest[]): ChainID {
  const top = chainIDs(diffIDs).at(-1);
  if (top === undefined) {
    throw new ContainerdError({ code: "invalid_argument", what: "cannot name the chain", why: "there are no layers" });
  }
  return top;
}
