import type { Words } from "../command.ts";

/** The words of the top level, in the order help shows them. They alone are known before one of them is chosen. */
export const words = {
  plugins: { name: "plugins", summary: "List the daemon's plugins", aliases: ["plugin"] },
  version: { name: "version", summary: "Show the versions of ctr and of the daemon", aliases: [] },
  containers: { name: "containers", summary: "Manage containers", aliases: ["c", "container"] },
  content: { name: "content", summary: "Manage the content store", aliases: [] },
  events: { name: "events", summary: "Follow containerd's events", aliases: ["event"] },
  images: { name: "images", summary: "Manage images", aliases: ["image", "i"] },
  leases: { name: "leases", summary: "Manage leases", aliases: [] },
  namespaces: { name: "namespaces", summary: "Manage namespaces", aliases: ["namespace", "ns"] },
  pprof: { name: "pprof", summary: "Profiles of the daemon", aliases: [] },
  run: { name: "run", summary: "Create a container, start it and wait for its end", aliases: [] },
  snapshots: { name: "snapshots", summary: "Manage snapshots", aliases: ["snapshot"] },
  tasks: { name: "tasks", summary: "Manage tasks", aliases: ["t", "task"] },
  install: { name: "install", summary: "Unpack an image's programs onto this machine", aliases: [] },
  oci: { name: "oci", summary: "OCI tools", aliases: [] },
  sandboxes: { name: "sandboxes", summary: "Manage sandboxes", aliases: ["sandbox", "sb", "s"] },
  info: { name: "info", summary: "Print facts about the daemon as JSON", aliases: [] },
  deprecations: {
    name: "deprecations",
    summary: "Show what is used that a later containerd will not have",
    aliases: [],
  },
  shim: { name: "shim", summary: "Talk to a shim without its daemon", aliases: [] },
  serve: { name: "serve", summary: "Serve the embedded engine to clients of containerd", aliases: [] },
  completion: { name: "completion", summary: "Print a script that completes ctr's words in a shell", aliases: [] },
} as const satisfies Readonly<Record<string, Words>>;
