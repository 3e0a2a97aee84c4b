import type { Descriptor } from "@ctr/oci";

/** What happens to one blob on its way, or to the whole. Offsets and totals are bytes. */
export type TransferEvent =
  | { readonly kind: "resolving"; readonly reference: string }
  | { readonly kind: "resolved"; readonly reference: string; readonly descriptor: Descriptor }
  /** Known of, not yet begun. `ref` is its ingest ref; `parent` the ref of what names it. */
  | {
      readonly kind: "waiting";
      readonly ref: string;
      readonly descriptor: Descriptor;
      readonly parent: string | undefined;
    }
  | { readonly kind: "transferring"; readonly ref: string; readonly descriptor: Descriptor; readonly offset: bigint }
  /** All bytes are over, and being checked and recorded. */
  | { readonly kind: "committing"; readonly ref: string; readonly descriptor: Descriptor }
  | { readonly kind: "exists"; readonly ref: string; readonly descriptor: Descriptor }
  | { readonly kind: "done"; readonly ref: string; readonly descriptor: Descriptor };

/** Called at once and in order; must not throw and should be quick. */
export type OnTransfer = (event: TransferEvent) => void;
