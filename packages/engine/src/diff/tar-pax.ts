import type { FileTime, Xattr } from "@ctr/sys";
import { tarFault } from "./tar-fault.ts";
import { decimal, paxTime } from "./tar-field.ts";

/** What extended headers say about the member that follows them. */
export interface PaxRecords {
  name?: string;
  linkName?: string;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: FileTime;
  atime?: FileTime;
  /** Later ones of a name win. */
  xattrs?: Map<string, Xattr>;
  sparse?: PaxSparse;
}

/** GNU's ways to say sparse in PAX: 0.0 and 0.1 have the map in the records, 1.0 before the data. */
export interface PaxSparse {
  major?: string;
  minor?: string;
  name?: string;
  /** Bytes of the file with its holes. */
  size?: number;
  /** Offset and length of each piece of data, in turn. */
  map?: number[];
}

const XATTR_PREFIX = "SCHILY.xattr.";
const SPARSE_PREFIX = "GNU.sparse.";
const SPACE = 32;
const NEWLINE = 10;

/** Reads `length key=value\n` records, the length counting itself. POSIX pax, "extended header". */
export function parsePax(bytes: Buffer): PaxRecords {
  const records: PaxRecords = {};
  for (let at = 0; at < bytes.byteLength; ) {
    const blank = bytes.indexOf(SPACE, at);
    const lengthText = blank < 0 ? "" : bytes.toString("latin1", at, blank);
    const end = at + Number(lengthText);
    if (!/^\d{1,7}$/.test(lengthText) || end > bytes.byteLength || end <= blank || bytes[end - 1] !== NEWLINE) {
      throw tarFault("invalid tar header");
    }
    const equals = bytes.indexOf("=", blank + 1);
    if (equals <= blank + 1 || equals >= end) throw tarFault("invalid tar header");
    setRecord(records, bytes.toString("latin1", blank + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function setRecord(records: PaxRecords, key: string, bytes: Buffer): void {
  if (key.startsWith(XATTR_PREFIX)) {
    const name = key.slice(XATTR_PREFIX.length);
    records.xattrs ??= new Map();
    records.xattrs.set(name, { name, value: Uint8Array.from(bytes) });
    return;
  }
  const value = bytes.toString("latin1");
  // An empty value takes an earlier record back.
  if (key.startsWith(SPARSE_PREFIX)) {
    records.sparse ??= {};
    setSparse(records.sparse, key.slice(SPARSE_PREFIX.length), value);
  } else if (value !== "") setStandard(records, key, value);
}

function setStandard(records: PaxRecords, key: string, value: string): void {
  switch (key) {
    case "path":
      records.name = withoutNul(value);
      break;
    case "linkpath":
      records.linkName = withoutNul(value);
      break;
    case "size":
      records.size = decimal(value);
      break;
    case "uid":
      records.uid = decimal(value);
      break;
    case "gid":
      records.gid = decimal(value);
      break;
    case "mtime":
      records.mtime = paxTime(value);
      break;
    case "atime":
      records.atime = paxTime(value);
  }
}

function setSparse(sparse: PaxSparse, key: string, value: string): void {
  switch (key) {
    case "major":
      sparse.major = value;
      break;
    case "minor":
      sparse.minor = value;
      break;
    case "name":
      sparse.name = withoutNul(value);
      break;
    case "size":
    case "realsize":
      sparse.size = decimal(value);
      break;
    case "map":
      sparse.map = value === "" ? [] : value.split(",").map(decimal);
      break;
    case "offset":
    case "numbytes":
      sparse.map = [...(sparse.map ?? []), decimal(value)];
  }
}

function withoutNul(value: string): string {
  if (value.includes("\0")) throw tarFault("invalid tar header");
  return value;
}
