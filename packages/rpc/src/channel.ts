import type { CallOptions, MethodDefinition, ServiceClient, ServiceDefinition } from "./service.ts";

/** The requests of a streaming call: one that is known, or what is pulled. */
export type Requests<Req> = AsyncIterable<Req> | readonly [Req];

/**
 * The one seam: calls go in, a socket or a router in this process answers. Opened by `connectH2c` or
 * `openInProcessChannel`; disposing it cancels what is under way and closes the connection. Disposing twice is harmless.
 */
export interface Channel extends AsyncDisposable {
  /** One request, one response. Fails with the error that the channel's `errorFrom` makes of the status. */
  unary<Req, Res>(path: string, method: MethodDefinition<Req, Res>, request: Req, options: CallOptions): Promise<Res>;

  /**
   * Any streaming kind. Requests are pulled only as fast as the peer takes them; responses are read from the peer only
   * as fast as they are consumed. Leaving the loop early cancels the call.
   */
  stream<Req, Res>(
    path: string,
    method: MethodDefinition<Req, Res>,
    requests: Requests<Req>,
    options: CallOptions,
  ): AsyncIterable<Res>;
}

/** Typed methods of `service` over `channel`. Partial requests are completed before they leave. */
export function createClient<S extends ServiceDefinition>(service: S, channel: Channel): ServiceClient<S> {
  const client: Record<string, unknown> = {};
  for (const [key, method] of Object.entries(service.methods)) {
    client[key] = bindMethod(channel, `/${service.fullName}/${method.name}`, method);
  }
  // The loop above gives every key of S["methods"] the shape that ClientMethod derives from its two stream flags.
  return client as ServiceClient<S>;
}

function bindMethod(channel: Channel, path: string, method: MethodDefinition<unknown, unknown>): unknown {
  const complete = (request: unknown) => method.requestType.fromPartial(request ?? {});
  if (!method.requestStream && !method.responseStream) {
    return (request: unknown, options: CallOptions) => channel.unary(path, method, complete(request), options);
  }
  if (method.responseStream) {
    return (requests: unknown, options: CallOptions) =>
      channel.stream(
        path,
        method,
        method.requestStream ? completeEach(requests, complete) : [complete(requests)],
        options,
      );
  }
  return (requests: unknown, options: CallOptions) =>
    only(path, channel.stream(path, method, completeEach(requests, complete), options));
}

async function* completeEach(requests: unknown, complete: (request: unknown) => unknown): AsyncIterable<unknown> {
  // `requests` is the AsyncIterable that ClientMethod asks for when requestStream is true.
  for await (const request of requests as AsyncIterable<unknown>) yield complete(request);
}

async function only(path: string, responses: AsyncIterable<unknown>): Promise<unknown> {
  let found: { readonly value: unknown } | undefined;
  for await (const value of responses) {
    if (found) throw new Error(`${path}: more than one response to a unary answer`);
    found = { value };
  }
  if (!found) throw new Error(`${path}: the stream ended without a response`);
  return found.value;
}
