import { ContainerdError, type protobufAny } from "@ctr/api";
import type { TransferContext } from "./context.ts";
import { describeObject, type TransferObject, transferObject } from "./objects.ts";

/** Does what source and destination together mean. `unimplemented` where there is no way from one to the other. */
export async function transfer(
  context: TransferContext,
  request: { readonly source: protobufAny.Any | undefined; readonly destination: protobufAny.Any | undefined },
): Promise<void> {
  const source = transferObject(request.source, "source");
  const destination = transferObject(request.destination, "destination");
  if (destination.kind === "store") return await toStore(context, source, destination.images);
  if (source.kind === "import" && destination.kind === "export") {
    return await (await import("./echo.ts")).echo(context, source.stream, destination.stream);
  }
  if (source.kind !== "store") throw noWay(source, destination);
  if (destination.kind === "registry") {
    return await (await import("./push.ts")).push(context, source.images, destination.registry);
  }
  if (destination.kind === "export") {
    return await (await import("./export.ts")).exportImages(context, source.images, destination.stream);
  }
  throw noWay(source, destination);
}

async function toStore(
  context: TransferContext,
  source: TransferObject,
  images: Extract<TransferObject, { kind: "store" }>["images"],
): Promise<void> {
  switch (source.kind) {
    case "registry":
      return await (await import("./pull.ts")).pull(context, source.registry, images);
    case "import":
      return await (await import("./import.ts")).importImages(context, source.stream, images);
    case "store":
      return await (await import("./tag.ts")).tag(context, source.images, images);
    case "export":
      throw noWay(source, { kind: "store", images });
    default:
      return source satisfies never;
  }
}

function noWay(source: TransferObject, destination: TransferObject): ContainerdError {
  const what = `method Transfer not implemented for ${describeObject(source)} to ${describeObject(destination)}`;
  return new ContainerdError({ code: "unimplemented", what });
}
