import type { Any } from "./gen/google/protobuf/any.ts";

/** gRPC status codes by their number on the wire. */
export const statusNames = [
  "ok",
  "cancelled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;

export type StatusName = (typeof statusNames)[number];

/** How a call ended: what `grpc-status`, `grpc-message` and `grpc-status-details-bin` carry. */
export interface Status {
  /** Index into `statusNames`; an unknown number counts as `unknown`. */
  readonly code: number;
  readonly message: string;
  readonly details: readonly Any[];
}

/** Turns the status of a failed call into what the caller's `await` throws. Given to a channel when it is opened. */
export type ErrorFromStatus = (status: Status, path: string) => Error;

/** Turns anything a service threw into a status. Given to a server when it is opened; must be total. */
export type StatusFromError = (error: unknown) => Status;

/** What a channel throws when it was opened without `errorFrom`. */
export class StatusError extends Error implements Status {
  readonly code: number;
  readonly details: readonly Any[];

  constructor(status: Status, path: string) {
    super(`${path}: ${status.message}`);
    this.name = "StatusError";
    this.code = status.code;
    this.details = status.details;
  }
}
