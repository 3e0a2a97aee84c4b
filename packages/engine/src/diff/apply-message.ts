import { ContainerdError, type ErrorCode, type ErrorWhere } from "@ctr/api";
import type { AppliedLayer } from "./apply-layer.ts";
import type { ApplyLimits } from "./apply-limits.ts";
import type { FileGrowth } from "./growing-file.ts";
import type { LayerTarget } from "./layer-target.ts";

/** A layer to unpack, as a worker is told of it. */
export interface ApplyJob {
  /** File of the blob, or of an ingest that still grows. */
  readonly path: string;
  /** How far an ingest's file has come; left out for a blob. Further news come as `growth`. */
  readonly growth?: FileGrowth | undefined;
  readonly target: LayerTarget;
  readonly compressed: boolean;
  readonly sync?: boolean | undefined;
  readonly limits?: ApplyLimits | undefined;
  /** Tell what room the whole tree takes in the end. */
  readonly measure?: boolean | undefined;
}

/** To a worker; it has one job at a time. */
export type ToWorker =
  | { readonly kind: "apply"; readonly job: ApplyJob }
  /** Bring the file system of a directory to disk. */
  | { readonly kind: "sync"; readonly dir: string }
  | { readonly kind: "growth"; readonly growth: FileGrowth }
  | { readonly kind: "cancel" };

/** From a worker, when a job is done. */
export type FromWorker =
  | { readonly kind: "applied"; readonly layer: AppliedLayer }
  | { readonly kind: "synced" }
  | { readonly kind: "failed"; readonly error: PlainError };

/** A `ContainerdError` as it crosses between threads, which keep no classes. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: ErrorWhere;
  readonly why: string;
  readonly fix: string | undefined;
}

export function errorToPlain(error: unknown): PlainError {
  if (error instanceof ContainerdError) {
    const { code, what, where, why, fix } = error;
    return { code, what, where, why, fix };
  }
  const why = error instanceof Error ? error.message : String(error);
  return { code: "unknown", what: "cannot unpack layer", where: {}, why, fix: undefined };
}

export function errorFromPlain({ fix, ...parts }: PlainError): ContainerdError {
  return new ContainerdError(fix === undefined ? parts : { ...parts, fix });
}
