import type { FileTime, Xattr } from "@ctr/sys";
import { tarFault } from "./tar-fault.ts";
import { numberField, textField } from "./tar-field.ts";
import type { PaxRecords } from "./tar-pax.ts";

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "fifo" | "character" | "block";

/** A member of a layer. Names are byte strings: one character per byte, whatever encoding they are in. */
export interface TarHeader {
  readonly name: string;
  readonly linkName: string;
  readonly type: TarType;
  /** Bytes of the file. */
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: FileTime;
  readonly atime: FileTime | undefined;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly Xattr[];
}

/** A header block as it stands, before extended headers are laid over it. */
export interface RawHeader {
  readonly block: Buffer;
  readonly at: number;
  readonly typeFlag: string;
  /** Bytes in the archive. */
  readonly size: number;
}

export const BLOCK = 512;
const EPOCH: FileTime = { seconds: 0, nanos: 0 };
const NO_XATTRS: readonly Xattr[] = [];

const types: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/** Checks a block's sum and reads what decides how the archive goes on. */
export function parseRawHeader(block: Buffer, at: number): RawHeader {
  checkSum(block, at);
  const size = numberField(block, at + 124, 12);
  if (size < 0) throw tarFault("invalid tar header");
  return { block, at, typeFlag: String.fromCharCode(block[at + 156] ?? 0), size };
}

/** Unsigned, or signed as some old tars have it. */
function checkSum(block: Buffer, at: number): void {
  let unsigned = 0;
  let high = 0;
  for (let i = at; i < at + BLOCK; i++) {
    const byte = block[i] ?? 0;
    unsigned += byte;
    high += byte >> 7;
  }
  for (let i = at + 148; i < at + 156; i++) {
    const byte = block[i] ?? 0;
    unsigned += SPACE - byte;
    high -= byte >> 7;
  }
  const said = numberField(block, at + 148, 8);
  if (said !== unsigned && said !== unsigned - 256 * high) throw tarFault("invalid tar header");
}

const SPACE = 32;

/** The member that a block and the extended headers before it describe. Throws for a kind that no layer has. */
export function readHeader(raw: RawHeader, pax: PaxRecords): TarHeader {
  const { block, at, typeFlag } = raw;
  const type = types[typeFlag];
  if (type === undefined) throw tarFault(`unhandled tar header type ${typeFlag.charCodeAt(0)}`);
  const format = formatOf(raw);
  const name = pax.sparse?.name ?? pax.name ?? nameOf(raw, format);
  const isDevice = type === "character" || type === "block";
  return {
    name,
    linkName: type === "symlink" || type === "hardlink" ? (pax.linkName ?? textField(block, at + 157, 100)) : "",
    // A directory under an old type is told by its slash.
    type: typeFlag === "\0" && name.endsWith("/") ? "directory" : type,
    size: type === "file" ? (pax.size ?? raw.size) : 0,
    mode: numberField(block, at + 100, 8) & 0o7777,
    uid: pax.uid ?? numberField(block, at + 108, 8),
    gid: pax.gid ?? numberField(block, at + 116, 8),
    mtime: pax.mtime ?? { seconds: numberField(block, at + 136, 12), nanos: 0 },
    atime: pax.atime ?? accessTime(raw, format),
    major: isDevice ? numberField(block, at + 329, 8) : 0,
    minor: isDevice ? numberField(block, at + 337, 8) : 0,
    xattrs: pax.xattrs === undefined ? NO_XATTRS : [...pax.xattrs.values()],
  };
}

/** ustar and star put the start of a long name behind the rest; GNU has other things there. */
function nameOf({ block, at }: RawHeader, format: TarFormat): string {
  const short = textField(block, at, 100);
  if ((format !== "ustar" && format !== "star") || block[at + 345] === 0) return short;
  return `${textField(block, at + 345, format === "star" ? 131 : 155)}/${short}`;
}

/** GNU and star have a field for it. */
function accessTime({ block, at }: RawHeader, format: TarFormat): FileTime | undefined {
  if (format === "gnu" && block[at + 345] !== 0) return { seconds: numberField(block, at + 345, 12), nanos: 0 };
  if (format === "star") return { seconds: numberField(block, at + 476, 12), nanos: 0 };
  return undefined;
}

type TarFormat = "ustar" | "star" | "gnu" | "v7";

const USTAR = Buffer.from("ustar");
const TAR = Buffer.from("tar\0");

/** By bytes: making texts of them takes longer than all else in a header. */
function formatOf({ block, at }: RawHeader): TarFormat {
  if (!hasBytes(block, at + 257, USTAR)) return "v7";
  const [a, b, c] = [block[at + 262], block[at + 263], block[at + 264]];
  if (a === SPACE && b === SPACE && c === 0) return "gnu";
  if (a !== 0) return "v7";
  return hasBytes(block, at + 508, TAR) ? "star" : "ustar";
}

function hasBytes(block: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = 0; i < wanted.byteLength; i++) if (block[at + i] !== wanted[i]) return false;
  return true;
}

/** The time a file gets: what is before the epoch or past 2^63 nanoseconds becomes the epoch, as containerd has it. */
export function boundTime(time: FileTime): FileTime {
  const limit = 9_223_372_036;
  const tooLate = time.seconds > limit || (time.seconds === limit && time.nanos > 854_775_807);
  return time.seconds < 0 || tooLate ? EPOCH : time;
}

/** The later of modification and access. */
export function latestTime(header: TarHeader): FileTime {
  const { atime, mtime } = header;
  if (atime === undefined) return mtime;
  const earlier = atime.seconds < mtime.seconds || (atime.seconds === mtime.seconds && atime.nanos < mtime.nanos);
  return earlier ? mtime : atime;
}
