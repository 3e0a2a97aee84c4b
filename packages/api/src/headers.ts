/** gRPC header that names the namespace of a call. */
export const NAMESPACE_HEADER = "containerd-namespace";
/** gRPC header that names the lease which keeps what the call creates. */
export const LEASE_HEADER = "containerd-lease";
/** Largest message containerd sends or takes, in bytes. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/**
 * Header of ours: which process holds a lease that is being created, as `processIdentity` of `sys` tells it. The embedded
 * engine lets the lease lapse when that process ends; other daemons do not know the header and go by its expiry.
 */
export const LEASE_OWNER_HEADER = "ctr-lease-owner";
