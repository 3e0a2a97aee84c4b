export { type Engine, loadStoreRepair, type OpenEngineOptions, openEngine, rootOfAddress } from "./engine.ts";
export type { ServeOptions } from "./serve.ts";
export type { StoreRepair } from "./store/repair/repair.ts";
export { defaultRoot, type OpenStoreOptions, openStore, type Store } from "./store/store.ts";
