import type { Cancel, Image, ImageStore } from "@ctr/oci";
import type { Scope } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { createImage, deleteImage, getImage, listImages, updateImage } from "./images.ts";

/** The images of one namespace as the rest of the engine uses them; its service is over the same records. */
export class EngineImages implements ImageStore {
  readonly #store: Store;
  readonly #scope: Scope;

  constructor(store: Store, scope: Scope) {
    this.#store = store;
    this.#scope = scope;
  }

  async get(name: string): Promise<Image> {
    return this.#store.db.read((tx) => getImage(tx, this.#scope.namespace, name));
  }

  async list(filters: readonly string[]): Promise<readonly Image[]> {
    return this.#store.db.read((tx) => listImages(tx, this.#scope.namespace, filters));
  }

  async create(image: Parameters<ImageStore["create"]>[0]): Promise<Image> {
    const wanted = { labels: {}, ...image };
    return this.#store.db.write((tx) => createImage(this.#store, tx, this.#scope, wanted));
  }

  async update(image: Parameters<ImageStore["update"]>[0], paths: readonly string[]): Promise<Image> {
    const change = { labels: {}, ...image };
    return this.#store.db.write((tx) => updateImage(this.#store, tx, this.#scope, { change, paths }));
  }

  async delete(name: string, options: Cancel & { readonly sync?: boolean }): Promise<void> {
    this.#store.db.write((tx) => deleteImage(this.#store, tx, this.#scope.namespace, name));
    if (options.sync !== true) return;
    const { collect } = await import("../gc/collect.ts");
    await collect(this.#store, options);
  }
}
