import { ContainerdError, protobufAny } from "@ctr/api";
import { type Descriptor, digestOf, type Mount, mediaTypes, writeBlob } from "@ctr/oci";
import { EngineContent } from "../content/store.ts";
import { openDiffer } from "../diff/differ.ts";
import type { Scope } from "../scope.ts";
import type { Store } from "../store/store.ts";

/** What CRIU wrote, as a tar. */
const DUMP_TYPE = "application/vnd.containerd.container.criu.checkpoint.criu.tar";
/** The spec of the container, as the bytes of its Any. */
const SPEC_TYPE = "application/vnd.containerd.container.checkpoint.config.v1+proto";

interface Place {
  readonly store: Store;
  readonly scope: Scope;
}

/** What a dump is stored from. */
export interface Dump {
  /** Id of the task. */
  readonly id: string;
  readonly dir: string;
  readonly spec: protobufAny.Any | undefined;
}

/** Stores a dump and the spec that goes with it as blobs; the caller's lease keeps them. */
export async function storeDump(
  { store, scope }: Place,
  { id, dir, spec }: Dump,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly Descriptor[]> {
  const content = new EngineContent(store, scope);
  const ref = (what: string) => `checkpoint-${what}-${id}-${crypto.randomUUID()}`;
  const options = { signal, mediaType: mediaTypes.ociLayer, ref: ref("dump") };
  const tar = await openDiffer({ content }).compare([], [bindMount(dir)], options);
  const bytes = protobufAny.Any.encode(spec ?? protobufAny.Any.fromPartial({})).finish();
  const descriptor = { mediaType: SPEC_TYPE, digest: digestOf(bytes), size: BigInt(bytes.byteLength) };
  await writeBlob(content, { ref: ref("spec"), descriptor, bytes }, { signal });
  return [{ ...tar, mediaType: DUMP_TYPE }, descriptor];
}

/** Puts a stored dump into `dir`. `invalid_argument` for a descriptor that is of none. */
export async function extractDump(
  { store, scope }: Place,
  dump: Descriptor,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<void> {
  if (dump.mediaType !== DUMP_TYPE) {
    const what = `unsupported checkpoint type ${JSON.stringify(dump.mediaType)}`;
    throw new ContainerdError({ code: "invalid_argument", what, why: `wanted is ${DUMP_TYPE}` });
  }
  const content = new EngineContent(store, scope);
  const differ = openDiffer({ content, pathOf: (digest) => content.pathOf(digest) });
  const { digest } = await differ.apply({ ...dump, mediaType: mediaTypes.ociLayer }, [bindMount(dir)], { signal });
  if (digest === dump.digest) return;
  const why = `its bytes have ${digest}`;
  throw new ContainerdError({
    code: "data_loss",
    what: "cannot restore checkpoint",
    where: { digest: dump.digest },
    why,
  });
}

function bindMount(source: string): Mount {
  return { type: "bind", source, target: "", options: ["rbind", "rw"] };
}
