export {
  anonymous,
  type CredentialSource,
  type Credentials,
  fixedCredentials,
  splitUser,
} from "./auth/credentials.ts";
export { type DockerConfigOptions, dockerConfigCredentials } from "./auth/docker-config.ts";
export type { FetchOptions } from "./fetch.ts";
export {
  type Capability,
  type DefaultHostOptions,
  defaultHost,
  type HostSource,
  type RegistryHost,
} from "./hosts/host.ts";
export { defaultHostsDirs, findHostDirectory, type HostsDirOptions, openHostSource } from "./hosts/hosts-dir.ts";
export { type HostEntry, type HostsFile, parseHostsToml } from "./hosts/hosts-toml.ts";
export type { TlsOptions } from "./http/socket.ts";
export type { HttpTrace } from "./http/trace.ts";
export type { OnTransfer, TransferEvent } from "./progress.ts";
export { type FetchImageOptions, type FetchImageTarget, fetchGraph, fetchImage } from "./pull.ts";
export type { PushOptions, PushOutcome, PushSource } from "./push.ts";
export { type PushImageOptions, type PushImageTarget, pushImage } from "./push-image.ts";
export type { ReferrersOptions } from "./referrers.ts";
export {
  type Fetcher,
  openResolver,
  type Pusher,
  type Resolved,
  type Resolver,
  type ResolverOptions,
} from "./resolver.ts";
export { type Clock, systemClock } from "./retry.ts";
