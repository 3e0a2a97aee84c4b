import { type Reference, referenceHost, referencePath } from "@ctr/oci";
import type { HostClient } from "./host-client.ts";

/** A URL below `<root>/<repository>/` of an endpoint; mirrors are told which registry is meant (`ns`). */
export function apiUrl(client: HostClient, reference: Reference, path: string): URL {
  const url = new URL(client.root);
  const repository = referencePath(reference);
  url.pathname = [url.pathname.replace(/\/$/, ""), ...(repository === "" ? [] : [repository]), path].join("/");
  if (isMirror(client, reference)) url.searchParams.set("ns", referenceHost(reference));
  return url;
}

/** registry-1.docker.io is docker.io itself. */
function isMirror(client: HostClient, reference: Reference): boolean {
  const host = referenceHost(reference);
  return (
    client.root.host !==
    new URL(`${client.root.protocol}//${host === "docker.io" ? "registry-1.docker.io" : host}`).host
  );
}

/** The scope that reading or writing the reference's repository takes. */
export function repositoryScope(reference: Reference, actions: "pull" | "pull,push"): string {
  return `repository:${referencePath(reference)}:${actions}`;
}
