/** Header fields to send; names as written. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[]>>;

/** A body whose length is known before it is sent; `open` is called once for each try. */
export interface RequestBody {
  /** Bytes. */
  readonly length: bigint;
  open(): AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: RequestHeaders;
  readonly body?: RequestBody;
  /** The body proves who is asking: it never follows a redirect to another origin. */
  readonly secretBody?: boolean;
}

/** An answer whose body is still on the wire. Disposing drops what was not read. */
export interface HttpResponse extends AsyncDisposable {
  readonly status: number;
  /** As the server wrote it: `Not Found`. */
  readonly reason: string;
  readonly headers: ResponseHeaders;
  /** Where it came from, after redirects. */
  readonly url: URL;
  /** To be read once; never decompressed. Throws `unavailable` when the connection breaks. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Header fields received; names in any case, repeated fields kept apart. */
export class ResponseHeaders {
  readonly #fields: readonly (readonly [string, string])[];

  /** Takes names and values in turn, as `IncomingMessage.rawHeaders` gives them. */
  constructor(raw: readonly string[]) {
    const fields: (readonly [string, string])[] = [];
    for (let i = 0; i + 1 < raw.length; i += 2) fields.push([raw[i] ?? "", raw[i + 1] ?? ""]);
    this.#fields = fields;
  }

  /** The first value; "" when there is none. */
  get(name: string): string {
    return this.all(name)[0] ?? "";
  }

  all(name: string): readonly string[] {
    const wanted = name.toLowerCase();
    return this.#fields.filter(([field]) => field.toLowerCase() === wanted).map(([, value]) => value);
  }

  entries(): readonly (readonly [string, string])[] {
    return this.#fields;
  }
}

/** Sends one request, follows nothing, retries nothing. */
export interface HttpTransport {
  send(request: HttpRequest, options: { readonly signal: AbortSignal }): Promise<HttpResponse>;
}

/** `scheme://host:port`, the unit that credentials belong to; default ports are written out. */
export function originOf(url: URL): string {
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  return `${url.protocol}//${url.hostname}:${port}`;
}
