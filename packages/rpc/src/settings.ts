import { DEFAULT_MAX_FRAME_BYTES, readUint32 } from "./frame.ts";
import { H2ConnectionError, h2Code } from "./h2-error.ts";

/** Identifiers of RFC 9113 section 6.5.2. */
export const settingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const;

/** Window of a stream and of the connection until someone changes it, RFC 9113 section 6.9.2. */
export const DEFAULT_WINDOW_BYTES = 65_535;
/** RFC 9113 section 6.9.1. */
export const MAX_WINDOW_BYTES = 0x7fff_ffff;
const LARGEST_MAX_FRAME_BYTES = 0xff_ffff;

/** What the peer allows us to send. */
export interface PeerSettings {
  maxConcurrentStreams: number;
  initialWindowBytes: number;
  maxFrameBytes: number;
  maxHeaderListBytes: number;
}

/** The values in force before the peer's first SETTINGS frame. */
export function defaultPeerSettings(): PeerSettings {
  return {
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    initialWindowBytes: DEFAULT_WINDOW_BYTES,
    maxFrameBytes: DEFAULT_MAX_FRAME_BYTES,
    maxHeaderListBytes: Number.POSITIVE_INFINITY,
  };
}

/** The settings of `current` with those of a SETTINGS payload laid over it; throws `H2ConnectionError` on a bad value. */
export function applySettings(current: PeerSettings, payload: Uint8Array): PeerSettings {
  if (payload.byteLength % 6 !== 0) {
    throw new H2ConnectionError(h2Code.frameSizeError, `SETTINGS of ${payload.byteLength} bytes, not a multiple of 6`);
  }
  const next = { ...current };
  for (let at = 0; at < payload.byteLength; at += 6) {
    const id = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
    applySetting(next, id, readUint32(payload, at + 2));
  }
  return next;
}

function applySetting(settings: PeerSettings, id: number, value: number): void {
  switch (id) {
    case settingId.enablePush:
      if (value > 1) throw badValue("ENABLE_PUSH", value, h2Code.protocolError);
      return;
    case settingId.maxConcurrentStreams:
      settings.maxConcurrentStreams = value;
      return;
    case settingId.initialWindowSize:
      if (value > MAX_WINDOW_BYTES) throw badValue("INITIAL_WINDOW_SIZE", value, h2Code.flowControlError);
      settings.initialWindowBytes = value;
      return;
    case settingId.maxFrameSize:
      if (value < DEFAULT_MAX_FRAME_BYTES || value > LARGEST_MAX_FRAME_BYTES) {
        throw badValue("MAX_FRAME_SIZE", value, h2Code.protocolError);
      }
      settings.maxFrameBytes = value;
      return;
    case settingId.maxHeaderListSize:
      settings.maxHeaderListBytes = value;
      return;
    default:
    // HEADER_TABLE_SIZE does not concern an encoder without a dynamic table; unknown settings are ignored (section 6.5.2).
  }
}

function badValue(name: string, value: number, code: number): H2ConnectionError {
  return new H2ConnectionError(code, `SETTINGS_${name} of ${value}`);
}
