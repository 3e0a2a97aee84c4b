export { type Engine, type OpenEngineOptions, openEngine, rootOfAddress } from "./engine.ts";
export type { ServeOptions } from "./serve.ts";
export { defaultRoot, type OpenStoreOptions, openStore, type Store } from "./store/store.ts";
