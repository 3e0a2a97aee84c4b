import type { versionV1 } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { ENGINE_VERSION } from "../version.ts";

/** containerd.services.version.v1.Version. */
export function versionService(): ServiceImpl<typeof versionV1.VersionDefinition> {
  return {
    async version() {
      return ENGINE_VERSION;
    },
  };
}
