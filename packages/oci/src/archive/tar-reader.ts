import { ContainerdError } from "@ctr/api";
import { ByteSource } from "./byte-source.ts";

export type TarKind = "file" | "directory" | "symlink" | "hardlink" | "other";

/** One member of a tar stream. Its body has to be read before the next member is asked for; what is left is skipped. */
export interface TarEntry {
  readonly name: string;
  readonly kind: TarKind;
  /** Bytes of the body. */
  readonly size: bigint;
  readonly linkName: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Read only when asked for: in many archives nobody cares whether it makes sense. */
  metadata(): TarMetadata;
}

/** Permission bits, numeric owner, and the time of change in seconds. */
export interface TarMetadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

const BLOCK = 512;
/** Largest extended header (long names) that is read, in bytes (R12). */
const MAX_EXTENSION_BYTES = 1024 * 1024;
/** Most members an archive may have (R12). */
const MAX_MEMBERS = 1_000_000;

const kinds: Readonly<Record<string, TarKind>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

/** What PAX and GNU headers say about the member that follows. */
interface Extension {
  name?: string;
  linkName?: string;
  size?: bigint;
}

/**
 * Reads ustar, PAX and GNU tar. Throws `invalid_argument` for what is no tar (`archive/tar: invalid tar header`) and
 * `data_loss` for one that is cut short. PAX global headers are ignored.
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const source = new ByteSource(chunks);
  let extension: Extension = {};
  try {
    for (let members = 0; ; ) {
      const block = await nextHeader(source);
      if (block === undefined) return;
      const header = parseHeader(block, extension);
      if (header.type === "x" || header.type === "L" || header.type === "K") {
        extension = { ...extension, ...(await readExtension(source, header)) };
        continue;
      }
      extension = {};
      if (header.type === "g") {
        await readExtension(source, header);
        continue;
      }
      if (++members > MAX_MEMBERS) throw badTar(`more than ${MAX_MEMBERS} members`);
      yield* yieldEntry(source, header);
    }
  } finally {
    await source.close();
  }
}

async function* yieldEntry(source: ByteSource, header: Header): AsyncGenerator<TarEntry, void, undefined> {
  // A directory named as a file with a closing slash is old tar's way.
  const kind = header.type === "0" && header.name.endsWith("/") ? "directory" : (kinds[header.type] ?? "other");
  const size = kind === "file" || kind === "other" ? header.size : 0n;
  let left = size;
  const body = async function* () {
    while (left > 0n) {
      const chunk = await source.takeSome(left < 1_048_576n ? Number(left) : 1_048_576);
      left -= BigInt(chunk.byteLength);
      yield chunk;
    }
  };
  const { name, linkName, metadata } = header;
  yield { name, linkName, kind, size, body: body(), metadata };
  while (left > 0n) left -= BigInt((await source.takeSome(left < 1_048_576n ? Number(left) : 1_048_576)).byteLength);
  await source.take(padding(size));
}

/** The next block that is not zero; `undefined` at the end mark or a clean end. */
async function nextHeader(source: ByteSource): Promise<Uint8Array | undefined> {
  const start = await source.peek(BLOCK);
  if (start.byteLength === 0) return undefined;
  const block = await source.take(BLOCK);
  if (block.some((byte) => byte !== 0)) return block;
  const second = await source.peek(BLOCK);
  if (second.every((byte) => byte === 0)) return undefined;
  throw badTar("invalid tar header");
}

interface Header {
  readonly name: string;
  readonly linkName: string;
  readonly size: bigint;
  readonly type: string;
  readonly metadata: () => TarMetadata;
}

function parseHeader(block: Uint8Array, extension: Extension): Header {
  checkSum(block);
  const type = String.fromCharCode(block[156] ?? 0);
  if (type === "S") throw badTar("sparse members are not supported");
  const isUstar = text(block, 257, 5) === "ustar";
  const prefix = isUstar && text(block, 257, 8) !== "ustar  " ? text(block, 345, 155) : "";
  const short = text(block, 0, 100);
  return {
    name: extension.name ?? (prefix === "" ? short : `${prefix}/${short}`),
    linkName: extension.linkName ?? text(block, 157, 100),
    size: extension.size ?? number(block.subarray(124, 136)),
    type: type === "\0" ? "0" : type,
    metadata: () => readMetadata(block),
  };
}

function readMetadata(block: Uint8Array): TarMetadata {
  const at = (from: number, length: number) => Number(number(block.subarray(from, from + length)));
  return { mode: at(100, 8) & 0o7777, uid: at(108, 8), gid: at(116, 8), mtime: at(136, 12) };
}

function checkSum(block: Uint8Array): void {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : (block[i] ?? 0);
  if (BigInt(sum) !== number(block.subarray(148, 156))) throw badTar("invalid tar header");
}

/** Octal text, or base 256 when the first bit is set (GNU). */
function number(field: Uint8Array): bigint {
  const first = field[0] ?? 0;
  if ((first & 0x80) === 0) return octal(field);
  if ((first & 0x40) !== 0) throw badTar("invalid tar header");
  let value = BigInt(first & 0x3f);
  for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badTar("invalid tar header");
  return value;
}

function octal(field: Uint8Array): bigint {
  const digits = text(field, 0, field.byteLength).trim();
  if (digits === "") return 0n;
  if (!/^[0-7]+$/.test(digits)) throw badTar("invalid tar header");
  return BigInt(`0o${digits}`);
}

async function readExtension(source: ByteSource, header: Header): Promise<Extension> {
  if (header.size > BigInt(MAX_EXTENSION_BYTES)) throw badTar("extended header is too large");
  const bytes = await source.take(Number(header.size));
  const content = bytes.slice();
  await source.take(padding(header.size));
  if (header.type === "L") return { name: text(content, 0, content.byteLength) };
  if (header.type === "K") return { linkName: text(content, 0, content.byteLength) };
  return paxExtension(content);
}

/** `length key=value\n`, the length counting itself. POSIX pax, "extended header". */
function paxExtension(bytes: Uint8Array): Extension {
  const extension: Extension = {};
  for (let at = 0; at < bytes.byteLength; ) {
    const blank = bytes.indexOf(32, at);
    const lengthText = blank < 0 ? "" : decode(bytes.subarray(at, blank));
    const end = at + Number(lengthText);
    if (!/^\d{1,7}$/.test(lengthText) || end > bytes.byteLength || end <= blank || bytes[end - 1] !== 10) {
      throw badTar("invalid tar header");
    }
    setPax(extension, decode(bytes.subarray(blank + 1, end - 1)));
    at = end;
  }
  return extension;
}

function setPax(extension: Extension, record: string): void {
  const equals = record.indexOf("=");
  if (equals < 1) throw badTar("invalid tar header");
  const key = record.slice(0, equals);
  const value = record.slice(equals + 1);
  if (value.includes("\0") && (key === "path" || key === "linkpath")) throw badTar("invalid tar header");
  if (key === "path") extension.name = value;
  else if (key === "linkpath") extension.linkName = value;
  else if (key === "size") extension.size = paxSize(value);
  else if (key.startsWith("GNU.sparse.")) throw badTar("sparse members are not supported");
}

function paxSize(value: string): bigint {
  if (!/^\d{1,15}$/.test(value)) throw badTar("invalid tar header");
  return BigInt(value);
}

function padding(size: bigint): number {
  return Number((BigInt(BLOCK) - (size % BigInt(BLOCK))) % BigInt(BLOCK));
}

/** A field up to its first zero byte. */
function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return decode(end < 0 ? field : field.subarray(0, end));
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function badTar(why: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: "archive/tar", why });
}
