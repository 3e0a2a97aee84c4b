// For tests of this and other rooms; nothing that ships imports it.
export { MemoryContentStore } from "./memory-content.ts";
export { buildImage, buildIndex, descriptorOf, type TestImage } from "./test-image.ts";
