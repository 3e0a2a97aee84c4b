import type { FileTime, Xattr } from "@ctr/sys";
import { tarFault } from "./tar-fault.ts";

/** A member to write. Names are byte strings; a directory's ends in a slash. */
export interface LayerMember {
  readonly name: string;
  readonly linkName: string;
  readonly typeFlag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the file; 0 for what has no data. */
  readonly size: number;
  /** Whole seconds are written. */
  readonly mtime: FileTime;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly Xattr[];
}

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/**
 * The header of a member as Go's archive/tar writes it for containerd: ustar where everything fits, else a PAX header
 * with what does not, sorted by key. `writeTar` of `@ctr/oci` writes image archives: no owners, links, times or
 * attributes, and names as text.
 */
export function tarHeader(member: LayerMember): Buffer {
  const records = paxRecords(member);
  const split = splitName(member.name);
  const fits = records.size === 0 || (records.size === 1 && records.has("path") && split !== undefined);
  if (fits) return mainBlock(member, split?.name ?? member.name, split?.prefix ?? "");
  return Buffer.concat([paxHeader(member.name, records), mainBlock(member, ascii(member.name), "")]);
}

/** Two blocks of zeros. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** What fills the last block of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** What ustar's fields cannot hold, as byte strings. */
function paxRecords(member: LayerMember): Map<string, string> {
  const records = new Map<string, string>();
  const text = (key: string, value: string) => {
    if (value.length > NAME_BYTES || !isAscii(value)) records.set(key, value);
  };
  const number = (key: string, value: number, width: number) => {
    if (!fitsOctal(value, width)) records.set(key, String(value));
  };
  text("path", member.name);
  text("linkpath", member.linkName);
  number("uid", member.uid, 8);
  number("gid", member.gid, 8);
  number("size", member.size, 12);
  number("mtime", member.mtime.seconds, 12);
  for (const { name, value } of member.xattrs) {
    if (/[=\0]/.test(name)) throw tarFault(`invalid PAX record: ${JSON.stringify(name)}`);
    records.set(`SCHILY.xattr.${name}`, Buffer.from(value).toString("latin1"));
  }
  return records;
}

function fitsOctal(value: number, width: number): boolean {
  return value >= 0 && value < 8 ** (width - 1);
}

/** A name that fits ustar: 100 bytes, or up to 155 more before a slash; ASCII only. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (!isAscii(name)) return undefined;
  if (name.length <= NAME_BYTES) return { prefix: "", name };
  const end = Math.min(name.length - (name.endsWith("/") ? 1 : 0), PREFIX_BYTES + 1);
  const slash = name.slice(0, end).lastIndexOf("/");
  const rest = name.slice(slash + 1);
  return slash <= 0 || rest === "" || rest.length > NAME_BYTES
    ? undefined
    : { prefix: name.slice(0, slash), name: rest };
}

/** The member before the member: its extended header. */
function paxHeader(name: string, records: ReadonlyMap<string, string>): Buffer {
  const content = [...records.keys()]
    .sort()
    .map((key) => paxRecord(key, records.get(key) ?? ""))
    .join("");
  const slash = name.lastIndexOf("/") + 1;
  const file = name.slice(slash);
  const paxName = `${name.slice(0, slash)}PaxHeaders.0${file === "" ? "" : `/${file}`}`;
  const block = Buffer.alloc(BLOCK);
  put(block, 0, ascii(paxName).slice(0, NAME_BYTES).replace(/\/+$/, ""), NAME_BYTES);
  for (const at of [100, 108, 116]) putOctal(block, at, 8, 0);
  putOctal(block, 124, 12, content.length);
  putOctal(block, 136, 12, 0);
  finishBlock(block, "x");
  return Buffer.concat([block, Buffer.from(content, "latin1"), tarPadding(content.length)]);
}

/** `length key=value\n`, the length counting itself. */
function paxRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function mainBlock(member: LayerMember, name: string, prefix: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  put(block, 0, name, NAME_BYTES);
  // Some readers take a file for a directory when the cut name ends in a slash.
  if (name.length > NAME_BYTES && block[NAME_BYTES - 1] === 0x2f) {
    block[name.slice(0, NAME_BYTES).replace(/\/+$/, "").length] = 0;
  }
  putOctal(block, 100, 8, member.mode);
  putOctal(block, 108, 8, member.uid);
  putOctal(block, 116, 8, member.gid);
  putOctal(block, 124, 12, member.size);
  putOctal(block, 136, 12, member.mtime.seconds);
  put(block, 157, ascii(member.linkName), NAME_BYTES);
  putOctal(block, 329, 8, member.major);
  putOctal(block, 337, 8, member.minor);
  put(block, 345, prefix, PREFIX_BYTES);
  finishBlock(block, member.typeFlag);
  return block;
}

/** Type, magic and, when all is there, the sum. */
function finishBlock(block: Buffer, typeFlag: string): void {
  put(block, 156, typeFlag, 1);
  put(block, 257, "ustar\x0000", 8);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  putOctal(block, 148, 7, sum);
}

/** Digits, zeros before them, and a closing zero byte; a number that does not fit is 0, and stands in a record. */
function putOctal(block: Buffer, at: number, width: number, value: number): void {
  const fitting = fitsOctal(value, width) ? value : 0;
  put(block, at, `${fitting.toString(8).padStart(width - 1, "0")}\0`, width);
}

function put(block: Buffer, at: number, text: string, width: number): void {
  block.write(text.slice(0, width), at, "latin1");
}

function isAscii(text: string): boolean {
  return !/[\u0080-\u00ff]/.test(text);
}

function ascii(text: string): string {
  return text.replace(/[\u0080-\u00ff]/g, "");
}
