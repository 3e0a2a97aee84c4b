import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { readTexts, textMethod } from "./text-method.ts";

// What tells a daemon from another; tags are those of the .proto files.

export interface DaemonVersion {
  readonly version: string;
  /** The commit it was built from. */
  readonly revision: string;
}

/** `Client.version` of a daemon; an engine in this process knows its own. */
export async function daemonVersion(client: Client, settings: CallSettings): Promise<DaemonVersion> {
  return (await client.service(versionService)).version({}, client.callOptions(settings));
}

/** The version service, as far as it is asked here. */
export const versionService = async () => {
  const read = (bytes: Uint8Array): DaemonVersion => {
    const texts = readTexts(bytes);
    return { version: texts.get(0x0a) ?? "", revision: texts.get(0x12) ?? "" };
  };
  const version = textMethod("Version", { texts: (_: object) => [], read, responseStream: false });
  return { name: "Version", fullName: "containerd.services.version.v1.Version", methods: { version } };
};

/** Introspection, as far as it tells the id of the daemon's store. */
export const identityService = async () => {
  const read = (bytes: Uint8Array) => ({ uuid: readTexts(bytes).get(0x0a) ?? "" });
  const server = textMethod("Server", { texts: (_: object) => [], read, responseStream: false });
  return { name: "Introspection", fullName: "containerd.services.introspection.v1.Introspection", methods: { server } };
};
