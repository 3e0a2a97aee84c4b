import { Any } from "../gen/google/protobuf/any.ts";
import type { CallContext, CallOptions, ServiceImpl } from "../service.ts";
import { type Status, StatusError } from "../status.ts";

/** A service of all four kinds, over a message that the room already has: text in `typeUrl`, bytes in `value`. */
export const EchoDefinition = {
  name: "Echo",
  fullName: "test.v1.Echo",
  methods: {
    one: method("One", false, false),
    expand: method("Expand", false, true),
    gather: method("Gather", true, false),
    chat: method("Chat", true, true),
  },
} as const;

function method<const Req extends boolean, const Res extends boolean>(
  name: string,
  requestStream: Req,
  responseStream: Res,
) {
  return { name, requestType: Any, requestStream, responseType: Any, responseStream };
}

export type EchoImpl = ServiceImpl<typeof EchoDefinition>;

/** Echoes; `expand` sends its request as often as `value[0]` says; `gather` counts messages and bytes. */
export const echo: EchoImpl = {
  async one(request) {
    return request;
  },
  async *expand(request) {
    for (let i = 0; i < (request.value[0] ?? 0); i++) yield { typeUrl: `${request.typeUrl}${i}` };
  },
  async gather(requests) {
    let messages = 0;
    let bytes = 0;
    for await (const request of requests) {
      messages++;
      bytes += request.value.byteLength;
    }
    return { typeUrl: `${messages} messages, ${bytes} bytes` };
  },
  async *chat(requests) {
    for await (const request of requests) yield request;
  },
};

/** A call's options with a signal that nobody aborts. */
export const quiet: CallOptions = { signal: new AbortController().signal };

/** Statuses pass, anything else is `internal`. */
export function toTestStatus(error: unknown): Status {
  if (error instanceof StatusError) return error;
  return { code: 13, message: error instanceof Error ? error.message : String(error), details: [] };
}

/** Resolves when the call's signal aborts. */
export function aborted({ signal }: CallContext): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}

/** All of an iterable. */
export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** An iterable of `values`. */
export async function* each<T>(...values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}
