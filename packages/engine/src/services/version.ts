import type { versionV1 } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";

/**
 * The containerd whose API this is, and as semver's build metadata what really answers: clients that compare versions
 * see a 2.4, people see who it is.
 */
const VERSION = "v2.4.0+ctr.0.1.0";

/** containerd.services.version.v1.Version. */
export function versionService(): ServiceImpl<typeof versionV1.VersionDefinition> {
  return {
    async version() {
      return { version: VERSION, revision: "" };
    },
  };
}
