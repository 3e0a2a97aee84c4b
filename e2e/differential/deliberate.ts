/** How an OCI spec of ours (2.4's) deliberately differs from the one that the Go ctr 1.6 makes. Each id is a row of docs/differences.md. */
export interface SpecDifference {
  readonly id: string;
  /** Takes the difference out of our spec, after seeing that it is there. */
  readonly undo: (spec: Spec, theirs: Spec) => void;
}

export interface Spec {
  ociVersion: string;
  linux: { maskedPaths?: string[]; seccomp?: { syscalls?: unknown[]; [key: string]: unknown }; [key: string]: unknown };
  process: Record<string, unknown>;
  mounts: { destination: string }[];
  annotations?: Record<string, string>;
  [key: string]: unknown;
}

export const specDifferences: readonly SpecDifference[] = [
  {
    id: "spec-version",
    undo: (spec) => {
      if (spec.ociVersion !== "1.3.0") throw new Error(`ociVersion is ${spec.ociVersion}, 2.4 writes 1.3.0`);
      spec.ociVersion = "1.0.2-dev";
    },
  },
  {
    id: "masked-powercap",
    undo: (spec) => {
      const { maskedPaths } = spec.linux;
      if (!maskedPaths) return;
      const at = maskedPaths.indexOf("/sys/devices/virtual/powercap");
      if (at < 0) throw new Error("maskedPaths lacks the powercap directory");
      maskedPaths.splice(at, 1);
    },
  },
  {
    // What is in our list is tested beside it, against the 2.4 facts.
    id: "seccomp-list",
    undo: ({ linux: { seccomp } }, { linux: { seccomp: theirs } }) => {
      if (!seccomp?.syscalls || !theirs?.syscalls) return;
      if (JSON.stringify(seccomp.syscalls).includes("io_uring_setup")) throw new Error("our profile allows io_uring");
      seccomp.syscalls = theirs.syscalls;
    },
  },
];

/** Our spec with every deliberate difference taken out. */
export function asGoWouldWrite(spec: Spec, theirs: Spec): Spec {
  const copy = structuredClone(spec);
  for (const { undo } of specDifferences) undo(copy, theirs);
  return copy;
}
