import { bool, duration, string } from "../flag.ts";

/** Where containerd listens unless told otherwise. */
export const DEFAULT_ADDRESS = "/run/containerd/containerd.sock";

/** Flags that stand before the command word. */
export const globalFlags = {
  debug: bool("log debug messages"),
  address: string("socket of the containerd to talk to", {
    alias: "a",
    default: DEFAULT_ADDRESS,
    env: "CONTAINERD_ADDRESS",
  }),
  timeout: duration("give up on the whole command after this time; 0 for never"),
  "connect-timeout": duration("give up connecting after this time; 0 for ten seconds"),
  namespace: string("containerd namespace to work in", {
    alias: "n",
    default: "default",
    env: "CONTAINERD_NAMESPACE",
  }),
};
