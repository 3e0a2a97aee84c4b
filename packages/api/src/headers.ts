/** gRPC header that names the namespace of a call. */
export const NAMESPACE_HEADER = "containerd-namespace";
/** gRPC header that names the lease which keeps what the call creates. */
export const LEASE_HEADER = "containerd-lease";
/** Largest message containerd sends or takes, in bytes. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
