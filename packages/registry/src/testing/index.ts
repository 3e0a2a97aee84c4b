// For tests of this and other rooms; nothing that ships imports it.
export { type Fault, MemoryRegistry, type SeenRequest } from "./memory-registry.ts";
