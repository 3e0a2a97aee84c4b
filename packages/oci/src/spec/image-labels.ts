import type { Labels } from "../content.ts";

/** Labels that engines and their clients act on: what an image says under these names is nobody's wish. */
const reserved = /^(containerd\.io\/|io\.containerd\.|io\.cri-containerd|nerdctl\/)/;

/**
 * The labels of an image's configuration that a container of it gets. Reserved ones are dropped: as a container's label
 * `containerd.io/restart.loguri=binary:…` makes the restart monitor run that program on the host (R18, CVE-2026-53488).
 */
export function imageConfigLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !reserved.test(key)));
}
