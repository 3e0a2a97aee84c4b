import type { Descriptor } from "@ctr/oci";
import { openResolver, type PushImageOptions, pushImage, type Resolver } from "@ctr/registry";
import type { Client } from "./client.ts";
import { type CallSettings, signalOf } from "./settings.ts";

export interface PushSettings extends CallSettings, Omit<PushImageOptions, "signal"> {
  /** What to send: an image by name, or a manifest. The image named as the destination when left out. */
  readonly image?: string | Descriptor | undefined;
  /** How registries are reached: credentials, TLS, mirrors. Anonymous over https when left out. */
  readonly resolver?: Resolver | undefined;
}

/** The client-side push, for any containerd. */
export async function pushImageTo(client: Client, reference: string, settings: PushSettings): Promise<void> {
  const { image = reference, resolver = openResolver(), timeoutMs: _whole, signal: _signal, ...options } = settings;
  const signal = signalOf(settings);
  const target = typeof image === "string" ? (await client.images.get(image, { signal })).target : image;
  await pushImage({ resolver, reference, content: client.content }, target, { ...options, signal });
}
