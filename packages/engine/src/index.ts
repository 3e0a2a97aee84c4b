export { defaultRoot, type OpenStoreOptions, openStore, type Store } from "./store/store.ts";
