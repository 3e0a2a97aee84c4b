// What the npm package offers: the client, and what its users meet in signatures of the rooms below it.
export * from "@ctr/api";
export * from "@ctr/oci";
export {
  anonymous,
  type CredentialSource,
  type Credentials,
  dockerConfigCredentials,
  fixedCredentials,
  type HostSource,
  openHostSource,
  openResolver,
  type Resolver,
  type ResolverOptions,
  type TransferEvent,
} from "@ctr/registry";
export { type Channel, type ConnectH2cOptions, connectH2c, createClient } from "@ctr/rpc";
export * from "./index.ts";
