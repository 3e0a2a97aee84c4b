/** One header field; the name is lower case. */
export type HeaderField = readonly [name: string, value: string];

/**
 * RFC 7541 Appendix A: names and values in turn, index 1 being the first two. Flat, so that the runtime takes the list as it
 * stands in the executable; of entries it would make one after the other, for a program that looks up three.
 */
// biome-ignore format: one entry a line
const staticTexts: readonly string[] = [
  ":authority", "",
  ":method", "GET",
  ":method", "POST",
  ":path", "/",
  ":path", "/index.html",
  ":scheme", "http",
  ":scheme", "https",
  ":status", "200",
  ":status", "204",
  ":status", "206",
  ":status", "304",
  ":status", "400",
  ":status", "404",
  ":status", "500",
  "accept-charset", "",
  "accept-encoding", "gzip, deflate",
  "accept-language", "",
  "accept-ranges", "",
  "accept", "",
  "access-control-allow-origin", "",
  "age", "",
  "allow", "",
  "authorization", "",
  "cache-control", "",
  "content-disposition", "",
  "content-encoding", "",
  "content-language", "",
  "content-length", "",
  "content-location", "",
  "content-range", "",
  "content-type", "",
  "cookie", "",
  "date", "",
  "etag", "",
  "expect", "",
  "expires", "",
  "from", "",
  "host", "",
  "if-match", "",
  "if-modified-since", "",
  "if-none-match", "",
  "if-range", "",
  "if-unmodified-since", "",
  "last-modified", "",
  "link", "",
  "location", "",
  "max-forwards", "",
  "proxy-authenticate", "",
  "proxy-authorization", "",
  "range", "",
  "referer", "",
  "refresh", "",
  "retry-after", "",
  "server", "",
  "set-cookie", "",
  "strict-transport-security", "",
  "transfer-encoding", "",
  "user-agent", "",
  "vary", "",
  "via", "",
  "www-authenticate", "",
];

/** How many entries the static table has. */
export const STATIC_ENTRIES = staticTexts.length / 2;

/** An entry of the static table by its index; undefined where there is none. */
export function staticField(index: number): HeaderField | undefined {
  const name = staticTexts[2 * index - 2];
  return name === undefined ? undefined : [name, staticTexts[2 * index - 1] ?? ""];
}

/** What an entry costs beyond its octets, RFC 7541 section 4.1. */
export const ENTRY_OVERHEAD_BYTES = 32;

/** The dynamic table of RFC 7541 section 2.3.2: newest entry first, evicted from the old end. Sizes are in octets. */
export class DynamicTable {
  /** Oldest first, so that adding is a push; `#first` skips what was evicted until it is worth compacting. */
  #entries: { readonly field: HeaderField; readonly size: number }[] = [];
  #first = 0;
  #size = 0;
  #maxSize: number;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get size(): number {
    return this.#size;
  }

  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** The field at `index`, where 0 is the newest. */
  get(index: number): HeaderField | undefined {
    return index < 0 || index >= this.length ? undefined : this.#entries[this.#entries.length - 1 - index]?.field;
  }

  /** Adds a field whose name and value take `octets`; one larger than the whole table empties it (section 4.4). */
  add(field: HeaderField, octets: number): void {
    const size = octets + ENTRY_OVERHEAD_BYTES;
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return;
    this.#entries.push({ field, size });
    this.#size += size;
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evictTo(maxSize);
  }

  #evictTo(target: number): void {
    while (this.#size > target && this.#first < this.#entries.length) {
      this.#size -= this.#entries[this.#first++]?.size ?? 0;
    }
    if (this.#first > 64 || this.#first === this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
