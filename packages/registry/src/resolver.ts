import { ContainerdError } from "@ctr/api";
import { type Cancel, type Descriptor, type Digest, parseReference, type Reference, referenceHost } from "@ctr/oci";
import { anonymous, type CredentialSource } from "./auth/credentials.ts";
import { type DescribeOptions, describeBlob } from "./describe-blob.ts";
import { type FetchOptions, fetchBlob } from "./fetch.ts";
import { HostClient } from "./host-client.ts";
import type { Capability, HostSource, RegistryHost } from "./hosts/host.ts";
import { openHostSource } from "./hosts/hosts-dir.ts";
import type { HttpTransport } from "./http/message.ts";
import type { Environment } from "./http/proxy.ts";
import { type HttpTrace, traceTransport } from "./http/trace.ts";
import { openTransport } from "./http/transport.ts";
import { type PushOptions, type PushOutcome, type PushSource, pushBlob } from "./push.ts";
import { listReferrers, type ReferrersOptions } from "./referrers.ts";
import { resolveReference } from "./resolve.ts";
import { type Clock, systemClock } from "./retry.ts";

/** What a reference stands for on its registry. */
export interface Resolved {
  /** The reference, as it was given. */
  readonly name: string;
  readonly descriptor: Descriptor;
}

/** Reads what one reference names. */
export interface Fetcher {
  /** Bytes of a manifest or blob from `offset` on; resumed when the connection breaks, their number checked. */
  fetch(descriptor: Descriptor, options: FetchOptions): AsyncIterable<Uint8Array>;
  /** What the repository has under a digest, of which nothing else is known; `not_found` when it has nothing. */
  describe(digest: Digest, options: DescribeOptions): Promise<Descriptor>;
}

/** Writes below one reference. */
export interface Pusher {
  push(descriptor: Descriptor, source: PushSource, options: PushOptions): Promise<PushOutcome>;
}

/** A registry client: everything a reference can be asked for. */
export interface Resolver {
  /** Throws `not_found`, `unauthenticated`, `permission_denied`, `unavailable`…; `invalid_argument` for a bad reference. */
  resolve(reference: string, options: Cancel): Promise<Resolved>;
  fetcher(reference: string): Fetcher;
  pusher(reference: string): Pusher;
  /** Manifests that name `digest` their subject: signatures, attestations, bills of material. */
  referrers(reference: string, digest: Digest, options: ReferrersOptions): Promise<readonly Descriptor[]>;
}

export interface ResolverOptions {
  /** Default: the host itself, docker.io at registry-1.docker.io. */
  readonly hosts?: HostSource;
  readonly credentials?: CredentialSource;
  /** `containerd/2.4.0` and the like. */
  readonly userAgent?: string;
  readonly clock?: Clock;
  /** Told of every request and answer; secrets are masked. */
  readonly trace?: HttpTrace;
  /** Where the proxy variables are read. */
  readonly env?: Environment;
}

/** What a user sees of us where nothing else is asked for. */
const DEFAULT_USER_AGENT = "containerd/2.4.0";

/** Opens a registry client. It holds no connection, only what was learnt: tokens, and which hosts lack TLS. */
export function openResolver(options: ResolverOptions = {}): Resolver {
  const registry = openRegistry(options);
  return {
    resolve: (reference, { signal }) => resolveReference(registry, reference, signal),
    fetcher: (reference) => ({
      fetch: (descriptor, fetchOptions) =>
        fetchBlob(registry, { reference: parseReference(reference), descriptor }, fetchOptions),
      describe: (digest, describeOptions) =>
        describeBlob(registry, { reference: parseReference(reference), digest }, describeOptions),
    }),
    pusher: (reference) => ({
      push: (descriptor, source, pushOptions) =>
        pushBlob(registry, { reference: parseReference(reference), descriptor, source }, pushOptions),
    }),
    referrers: (reference, digest, referrersOptions) =>
      listReferrers(registry, { reference: parseReference(reference), digest }, referrersOptions),
  };
}

/** The state behind a resolver: one client for each endpoint. */
export interface Registry {
  readonly clock: Clock;
  /** Hosts of the reference that have every capability asked for, in order. Throws `not_found` when there is none. */
  clients(reference: Reference, wanted: readonly Capability[]): Promise<readonly HostClient[]>;
  /** Bytes of a URL that belongs to nobody's registry; no credentials go there. */
  readonly foreign: HttpTransport;
  readonly userAgent: string;
}

function openRegistry(options: ResolverOptions): Registry {
  const clock = options.clock ?? systemClock;
  const hosts = options.hosts ?? openHostSource();
  const userAgent = options.userAgent ?? DEFAULT_USER_AGENT;
  const env = options.env === undefined ? {} : { env: options.env };
  const told = options.trace === undefined ? {} : { trace: options.trace };
  const wrap = (transport: HttpTransport) =>
    options.trace === undefined ? transport : traceTransport(transport, options.trace);
  const transport = (host: RegistryHost) => {
    const dial = host.dialTimeoutMs === undefined ? {} : { dialTimeoutMs: host.dialTimeoutMs };
    return wrap(openTransport({ tls: host.tls, ...dial, ...env, ...told }));
  };
  const credentials = options.credentials ?? anonymous;
  const known = new Map<string, HostClient>();
  const clientOf = (host: RegistryHost) => {
    const client = known.get(host.root.href) ?? new HostClient(host, { credentials, userAgent, clock, transport });
    known.set(host.root.href, client);
    return client;
  };
  return {
    clock,
    userAgent,
    foreign: wrap(openTransport({ ...env, ...told })),
    async clients(reference, wanted) {
      const all = await hosts(referenceHost(reference));
      const able = all.filter((host) => wanted.every((capability) => host.capabilities.has(capability)));
      if (able.length > 0) return able.map(clientOf);
      const verb = wanted.includes("push")
        ? "push"
        : wanted.includes("referrers")
          ? "referrers"
          : wanted.includes("resolve")
            ? "resolve"
            : "pull";
      throw new ContainerdError({
        code: "not_found",
        what: `no ${verb} hosts`,
        why: "not found",
        where: { host: referenceHost(reference) },
      });
    },
  };
}
