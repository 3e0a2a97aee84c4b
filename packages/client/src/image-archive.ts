import { ContainerdError } from "@ctr/api";
import type { Image } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
export interface ImportOptions extends CallSettings {}
export interface ExportOptions extends CallSettings {}
export async function importImages(
  _c: Client,
  _a: AsyncIterable<Uint8Array>,
  _o: ImportOptions,
): Promise<readonly Image[]> {
  throw new ContainerdError({ code: "unimplemented", what: "import" });
}
export async function* exportImages(_c: Client, _n: readonly string[], _o: ExportOptions): AsyncIterable<Uint8Array> {
  throw new ContainerdError({ code: "unimplemented", what: "export" });
}
