/**
 * The containerd whose API this is, and as semver's build metadata what really answers: clients that compare versions
 * see a 2.4, people see who it is.
 */
export const ENGINE_VERSION = { version: "v2.4.0+ctr.0.1.0", revision: "" };
