import { ContainerdError, decodeAnyAs, type MessageOf, type protobufAny } from "@ctr/api";

export type Registry = MessageOf<"containerd.types.transfer.OCIRegistry">;
export type StoreImages = MessageOf<"containerd.types.transfer.ImageStore">;
export type ImportStream = MessageOf<"containerd.types.transfer.ImageImportStream">;
export type ExportStream = MessageOf<"containerd.types.transfer.ImageExportStream">;

/** One side of a transfer. Engine reference, section 18.2. */
export type TransferObject =
  | { readonly kind: "registry"; readonly registry: Registry }
  | { readonly kind: "store"; readonly images: StoreImages }
  | { readonly kind: "import"; readonly stream: ImportStream }
  | { readonly kind: "export"; readonly stream: ExportStream };

/** What a message says; `invalid_argument` for a type that no transfer is about. */
export function transferObject(any: protobufAny.Any | undefined, side: "source" | "destination"): TransferObject {
  const registry = decodeAnyAs(any, "containerd.types.transfer.OCIRegistry");
  if (registry !== undefined) return { kind: "registry", registry };
  const images = decodeAnyAs(any, "containerd.types.transfer.ImageStore");
  if (images !== undefined) return { kind: "store", images };
  const imported = decodeAnyAs(any, "containerd.types.transfer.ImageImportStream");
  if (imported !== undefined) return { kind: "import", stream: imported };
  const exported = decodeAnyAs(any, "containerd.types.transfer.ImageExportStream");
  if (exported !== undefined) return { kind: "export", stream: exported };
  throw new ContainerdError({
    code: "invalid_argument",
    what: `cannot resolve transfer ${side}`,
    why: `unknown type ${JSON.stringify(any?.typeUrl ?? "")}`,
  });
}

/** The object in containerd's words, as its errors and progress name it. */
export function describeObject(object: TransferObject): string {
  switch (object.kind) {
    case "registry":
      return `OCI Registry (${object.registry.reference})`;
    case "store":
      return `Local Image Store (${object.images.name})`;
    case "import":
      return "Image Import Stream";
    case "export":
      return "Image Export Stream";
    default:
      return object satisfies never;
  }
}
