export { capabilitiesOfMask } from "./capabilities.ts";
export { defaultSpec, defaultSpecFor, OCI_VERSION } from "./default-spec.ts";
export { encodeProcess, encodeSpec, orderedSpec, PROCESS_TYPE_URL, parseSpec, SPEC_TYPE_URL } from "./encode.ts";
export { imageConfigLabels } from "./image-labels.ts";
export type { ImageProcess } from "./image-process.ts";
export { parseIdMapping } from "./namespaces.ts";
export {
  applySpecOptions,
  type DeviceNode,
  type HostEntry,
  type RootfsReader,
  type SpecContext,
  type SpecHost,
  type SpecOption,
} from "./option.ts";
export { type RestorableSpec, restorableSpec } from "./restorable.ts";
export { type RunOnlyRequest, type SpecRequest, specOptions } from "./run-options.ts";
export { defaultSeccomp } from "./seccomp.ts";
export type { Spec, SpecIdMapping, SpecLinux, SpecMount, SpecProcess, SpecUser } from "./types.ts";
export { resolveUser, withUser } from "./user.ts";
