import type { Cancel, Labels, Timestamp } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";

/** An image record: a name for a descriptor. */
export interface Image {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Labels;
  readonly createdAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
}

export interface ImageStore {
  get(name: string, options: Cancel): Promise<Image>;
  list(filters: readonly string[], options: Cancel): Promise<readonly Image[]>;
  create(
    image: { readonly name: string; readonly target: Descriptor; readonly labels?: Labels },
    options: Cancel,
  ): Promise<Image>;
  /** Replaces what `paths` name (`target`, `labels`, `labels.<key>`); without paths, all but the time of creation. */
  update(
    image: { readonly name: string; readonly target?: Descriptor; readonly labels?: Labels },
    paths: readonly string[],
    options: Cancel,
  ): Promise<Image>;
  /** `sync` waits until what only this name kept is collected. */
  delete(name: string, options: Cancel & { readonly sync?: boolean }): Promise<void>;
}
