/** What the index of a checkpoint says of its container. containerd's names; engine reference: checkpoint image. */
export const checkpointAnnotations = {
  image: "org.opencontainers.image.ref.name",
  runtime: "io.containerd.checkpoint.runtime",
  snapshotter: "io.containerd.checkpoint.snapshotter",
} as const;
