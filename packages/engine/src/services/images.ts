import { type imagesV1, protobufEmpty } from "@ctr/api";
import { parseDigest } from "@ctr/oci";
import type { ServiceImpl } from "@ctr/rpc";
import { createImage, deleteImage, getImage, listImages, updateImage } from "../metadata/images.ts";
import { scopeOf } from "../scope.ts";
import { nanosOf } from "../store/clock.ts";
import type { Store } from "../store/store.ts";
import { descriptorFromWire, imageToWire, required } from "./wire.ts";

/** containerd.services.images.v1.Images. */
export function imagesService(store: Store): ServiceImpl<typeof imagesV1.ImagesDefinition> {
  return {
    async get({ name }, context) {
      const { namespace } = scopeOf(context);
      return { image: imageToWire(store.db.read((tx) => getImage(tx, namespace, name))) };
    },

    async list({ filters }, context) {
      const { namespace } = scopeOf(context);
      return { images: store.db.read((tx) => listImages(tx, namespace, filters)).map(imageToWire) };
    },

    async create(req, context) {
      const scope = scopeOf(context);
      const { name, labels, target } = required(req.image, "image");
      const image = { name, labels, target: descriptorFromWire(required(target, "image.target")), time: timeOf(req) };
      return { image: imageToWire(store.db.write((tx) => createImage(store, tx, scope, image))) };
    },

    async update(req, context) {
      const scope = scopeOf(context);
      const { name, labels, target } = required(req.image, "image");
      const paths = req.updateMask ?? [];
      // Under a mask of labels clients send an empty target: the Go daemon dies without one.
      const names = target !== undefined && (target.digest !== "" || paths.length === 0 || paths.includes("target"));
      const given = names ? descriptorFromWire(target) : undefined;
      const change = { name, labels, target: given, time: timeOf(req) };
      return { image: imageToWire(store.db.write((tx) => updateImage(store, tx, scope, { change, paths }))) };
    },

    async delete(req, context) {
      const { namespace } = scopeOf(context);
      const digest = req.target === undefined ? undefined : parseDigest(req.target.digest);
      store.db.write((tx) => deleteImage(store, tx, namespace, req.name, digest));
      if (req.sync) await (await import("../gc/collect.ts")).collect(store, context);
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}

function timeOf({ sourceDateEpoch }: imagesV1.CreateImageRequest | imagesV1.UpdateImageRequest): bigint | undefined {
  return sourceDateEpoch === undefined ? undefined : nanosOf(sourceDateEpoch);
}
