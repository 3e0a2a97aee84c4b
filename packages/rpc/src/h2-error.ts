/** HTTP/2 error codes, RFC 9113 section 7. */
export const h2Code = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

const names = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** An error code as RFC 9113 spells it, for messages. */
export function h2CodeName(code: number): string {
  return names[code] ?? `error code ${code}`;
}

/** The peer broke the protocol in a way that ends the connection (RFC 9113 section 5.4.1): GOAWAY with `code`, then close. */
export class H2ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "H2ConnectionError";
    this.code = code;
  }
}

/** The peer broke the protocol on one stream only (RFC 9113 section 5.4.2): RST_STREAM with `code`. */
export class H2StreamError extends Error {
  readonly streamId: number;
  readonly code: number;

  constructor(streamId: number, code: number, message: string) {
    super(message);
    this.name = "H2StreamError";
    this.streamId = streamId;
    this.code = code;
  }
}
