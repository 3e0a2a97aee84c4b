import { ContainerdError } from "@ctr/api";
import { concatBytes } from "../blob.ts";

/** A member to write; owner and time are zero. */
export interface TarMember {
  /** A directory ends in a slash. */
  readonly name: string;
  readonly mode: number;
  readonly size: bigint;
  /** `size` bytes. */
  readonly open?: () => AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
const encoder = new TextEncoder();
/** First size that eleven octal digits do not hold. */
const OCTAL_LIMIT = 8n ** 11n;

/**
 * Writes members as Go's archive/tar does, byte for byte: ustar, and a PAX header where a name or a size does not fit.
 * Throws `data_loss` when a body is not as long as its member says.
 */
export async function* writeTar(members: Iterable<TarMember>): AsyncGenerator<Uint8Array, void, undefined> {
  for (const member of members) {
    yield headerOf(member);
    let written = 0n;
    for await (const chunk of member.open?.() ?? []) {
      written += BigInt(chunk.byteLength);
      yield chunk;
    }
    if (written !== member.size) throw wrongSize(member, written);
    const padding = Number((BigInt(BLOCK) - (written % BigInt(BLOCK))) % BigInt(BLOCK));
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * BLOCK);
}

function wrongSize(member: TarMember, written: bigint): ContainerdError {
  return new ContainerdError({
    code: "data_loss",
    what: `unexpected copy size for ${member.name}`,
    why: `got ${written} bytes, expected ${member.size}`,
  });
}

function headerOf(member: TarMember): Uint8Array {
  const records: string[] = [];
  const split = splitName(member.name);
  if (split === undefined) records.push(paxRecord("path", member.name));
  if (member.size >= OCTAL_LIMIT) records.push(paxRecord("size", member.size.toString()));
  const name = split ?? { prefix: "", name: member.name.replace(/[^\x20-\x7e]/g, "") };
  const block = newBlock(name.name, member.name.endsWith("/") ? "5" : "0");
  putOctal(block, 100, 8, BigInt(member.mode));
  putOctal(block, 124, 12, member.size >= OCTAL_LIMIT ? 0n : member.size);
  putOctal(block, 329, 8, 0n);
  putOctal(block, 337, 8, 0n);
  put(block, 345, name.prefix, 155);
  putChecksum(block);
  return records.length === 0 ? block : concatBytes([paxHeader(member.name, records.toSorted().join("")), block]);
}

/** A name that fits ustar: 100 bytes, or up to 155 more before a slash; ASCII only. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (/[^\x20-\x7e]/.test(name)) return undefined;
  if (name.length <= 100) return { prefix: "", name };
  const end = Math.min(name.length - (name.endsWith("/") ? 1 : 0), 156);
  const slash = name.slice(0, end).lastIndexOf("/");
  const rest = name.slice(slash + 1);
  return slash <= 0 || rest === "" || rest.length > 100 ? undefined : { prefix: name.slice(0, slash), name: rest };
}

/** The member that says what the next member's header has no room for. */
function paxHeader(name: string, content: string): Uint8Array {
  const body = encoder.encode(content);
  const clean = name.replace(/\/$/, "");
  const slash = clean.lastIndexOf("/");
  const paxName = `${clean.slice(0, slash + 1)}PaxHeaders.0/${clean.slice(slash + 1)}`;
  const block = newBlock(paxName.replace(/[^\x20-\x7e]/g, ""), "x");
  putOctal(block, 100, 8, 0n);
  putOctal(block, 124, 12, BigInt(body.byteLength));
  putChecksum(block);
  return concatBytes([block, body, new Uint8Array((BLOCK - (body.byteLength % BLOCK)) % BLOCK)]);
}

/** `length key=value\n`, the length counting itself. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).byteLength;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function newBlock(name: string, type: string): Uint8Array {
  const block = new Uint8Array(BLOCK);
  put(block, 0, name, 100);
  putOctal(block, 108, 8, 0n);
  putOctal(block, 116, 8, 0n);
  putOctal(block, 136, 12, 0n);
  put(block, 156, type, 1);
  put(block, 257, "ustar\x0000", 8);
  return block;
}

function putChecksum(block: Uint8Array): void {
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  putOctal(block, 148, 7, BigInt(sum));
}

/** Digits, zeros before them, and a closing zero byte. */
function putOctal(block: Uint8Array, at: number, width: number, value: bigint): void {
  put(block, at, `${value.toString(8).padStart(width - 1, "0")}\0`, width);
}

function put(block: Uint8Array, at: number, text: string, width: number): void {
  block.set(encoder.encode(text).subarray(0, width), at);
}
