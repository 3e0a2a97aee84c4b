/** Message type as the generator emits it: static encode and decode, no reflection. */
export interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(input: Uint8Array): T;
  fromPartial(object: DeepPartial<T>): T;
}

/** Every field optional, all the way down; what a caller may leave out when it builds a message. */
export type DeepPartial<T> = T extends bigint
  ? string | number | bigint
  : T extends Date | Uint8Array | string | number | boolean | undefined
    ? T
    : T extends readonly (infer U)[]
      ? readonly DeepPartial<U>[]
      : T extends object
        ? { [K in keyof T]?: DeepPartial<T[K]> | undefined }
        : Partial<T>;

/** One method of a service. The wire path is `/<service fullName>/<name>`. */
export interface MethodDefinition<Req, Res> {
  readonly name: string;
  readonly requestType: MessageType<Req>;
  readonly requestStream: boolean;
  readonly responseType: MessageType<Res>;
  readonly responseStream: boolean;
}

/** A service as the generator emits it. */
export interface ServiceDefinition {
  readonly name: string;
  readonly fullName: string;
  // biome-ignore lint/suspicious/noExplicitAny: method types differ within one service; the mapped types below recover each.
  readonly methods: { readonly [method: string]: MethodDefinition<any, any> };
}

// biome-ignore lint/suspicious/noExplicitAny: inference position only.
type RequestOf<M> = M extends { readonly requestType: MessageType<infer R> } ? R : any;
// biome-ignore lint/suspicious/noExplicitAny: inference position only.
type ResponseOf<M> = M extends { readonly responseType: MessageType<infer R> } ? R : any;

/** Header names are lower case; a value under a name ending in `-bin` is bytes, any other is text. */
export type Metadata = Readonly<Record<string, string | Uint8Array>>;

export interface CallOptions {
  /** Aborting cancels the call on both sides (RST_STREAM CANCEL on the wire). */
  readonly signal: AbortSignal;
  readonly metadata?: Metadata;
  /** Deadline from now; sent as `grpc-timeout` and kept by the client too. */
  readonly timeoutMs?: number;
}

type ClientMethod<M, Options> = M extends { readonly requestStream: false; readonly responseStream: false }
  ? (request: DeepPartial<RequestOf<M>>, options: Options) => Promise<ResponseOf<M>>
  : M extends { readonly requestStream: false; readonly responseStream: true }
    ? (request: DeepPartial<RequestOf<M>>, options: Options) => AsyncIterable<ResponseOf<M>>
    : M extends { readonly requestStream: true; readonly responseStream: false }
      ? (requests: AsyncIterable<DeepPartial<RequestOf<M>>>, options: Options) => Promise<ResponseOf<M>>
      : (requests: AsyncIterable<DeepPartial<RequestOf<M>>>, options: Options) => AsyncIterable<ResponseOf<M>>;

/** Typed methods of a service over a channel; see `createClient`. */
export type ServiceClient<S extends ServiceDefinition> = {
  readonly [K in keyof S["methods"]]: ClientMethod<S["methods"][K], CallOptions>;
};

/** What a service implementation sees of the call it answers. */
export interface CallContext {
  /** Aborts when the client cancels, its deadline passes or the connection is lost. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
}

type ServiceMethod<M> = M extends { readonly requestStream: false; readonly responseStream: false }
  ? (request: RequestOf<M>, context: CallContext) => Promise<DeepPartial<ResponseOf<M>>>
  : M extends { readonly requestStream: false; readonly responseStream: true }
    ? (request: RequestOf<M>, context: CallContext) => AsyncIterable<DeepPartial<ResponseOf<M>>>
    : M extends { readonly requestStream: true; readonly responseStream: false }
      ? (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => Promise<DeepPartial<ResponseOf<M>>>
      : (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => AsyncIterable<DeepPartial<ResponseOf<M>>>;

/** What serves a service: one function per method. */
export type ServiceImpl<S extends ServiceDefinition> = {
  readonly [K in keyof S["methods"]]: ServiceMethod<S["methods"][K]>;
};
