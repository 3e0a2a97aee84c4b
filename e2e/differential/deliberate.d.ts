/** How an OCI spec of ours (2.4's) deliberately differs from the one that the Go ctr 1.6 makes. Each id is a row of docs/differences.md. */
export interface SpecDifference {
  readonly id: string;
  /** Takes the difference out of our spec, after seeing that it is there. */
  readonly undo: (spec: Spec) => void;
}
export interface Spec {
  ociVersion: string;
  linux: {
    maskedPaths?: string[];
    [key: string]: unknown;
  };
  process: Record<string, unknown>;
  mounts: {
    destination: string;
  }[];
  annotations?: Record<string, string>;
  [key: string]: unknown;
}
export declare const specDifferences: readonly SpecDifference[];
/** Our spec with every deliberate difference taken out. */
export declare function asGoWouldWrite(spec: Spec): Spec;
