import { statSync } from "node:fs";
import { ContainerdError, type introspectionV1, type protobufAny } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { ABSENT, parseFilters, textField } from "../metadata/filters.ts";
import type { Store } from "../store/store.ts";
import { listPlugins } from "./plugins.ts";

export interface IntrospectionOptions {
  /** Asks a runtime about itself; `options` is a RuntimeRequest, the answer a RuntimeInfo. */
  readonly runtimeInfo?: (
    options: protobufAny.Any | undefined,
    call: { readonly signal: AbortSignal },
  ) => Promise<protobufAny.Any>;
}

const RUNTIME = "io.containerd.runtime.v2";

/** containerd.services.introspection.v1.Introspection; calls need no namespace. */
export function introspectionService(
  store: Store,
  options: IntrospectionOptions = {},
): ServiceImpl<typeof introspectionV1.IntrospectionDefinition> {
  return {
    async plugins({ filters }) {
      const passes = parseFilters(filters);
      const plugins = listPlugins(store).filter(({ type, id }) =>
        passes(([field]) => (field === "type" ? textField(type) : field === "id" ? textField(id) : ABSENT)),
      );
      return { plugins };
    },

    async server() {
      return { uuid: serverUuid(store), pid: BigInt(process.pid), pidns: pidNamespace() };
    },

    async pluginInfo(req, { signal }) {
      const plugin = listPlugins(store).find(({ type, id }) => type === req.type && id === req.id);
      if (plugin === undefined) {
        throw new ContainerdError({ code: "not_found", what: "plugin", where: { type: req.type, id: req.id } });
      }
      if (req.type !== RUNTIME || options.runtimeInfo === undefined) {
        throw new ContainerdError({
          code: "unimplemented",
          what: "plugin tells nothing of itself",
          where: { id: req.id },
        });
      }
      return { plugin, extra: await options.runtimeInfo(req.options, { signal }) };
    },
  };
}

/** Random, made when it is first asked for, and the store's from then on, whichever process answers. */
function serverUuid(store: Store): string {
  const read = () =>
    store.db.read((tx) => tx.get<{ readonly value: string }>("SELECT value FROM meta WHERE key = 'uuid'"))?.value;
  const known = read();
  if (known !== undefined) return known;
  const made = crypto.randomUUID();
  // As with the store's id: of two that make one at once, the first stays.
  store.db.write((tx) => tx.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('uuid', ?)", made));
  return read() ?? made;
}

function pidNamespace(): bigint {
  return statSync("/proc/self/ns/pid", { bigint: true }).ino;
}
