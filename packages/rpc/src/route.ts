import type { CallContext, DeepPartial, MethodDefinition, ServiceDefinition, ServiceImpl } from "./service.ts";

/** A service and what serves it, ready for `serveH2c` or `openInProcessChannel`. Made by `registerService`. */
export interface RegisteredService {
  readonly definition: ServiceDefinition;
  readonly routes: readonly Route[];
}

/** One method of a registered service, behind its wire path. */
export interface Route {
  readonly path: string;
  readonly method: MethodDefinition<unknown, unknown>;
  readonly answer: Answer;
}

/** How a method is called, whichever way messages reach it. Responses are complete messages. */
export type Answer =
  | { readonly kind: "unary"; readonly call: (request: unknown, context: CallContext) => Promise<unknown> }
  | {
      readonly kind: "stream";
      readonly call: (requests: AsyncIterable<unknown>, context: CallContext) => AsyncIterable<unknown>;
    };

/** Binds an implementation to its definition; the types of both are checked here, once. */
export function registerService<S extends ServiceDefinition>(definition: S, impl: ServiceImpl<S>): RegisteredService {
  const routes = Object.entries(definition.methods).map(([key, method]) => ({
    path: `/${definition.fullName}/${method.name}`,
    method,
    // ServiceImpl<S> has a function under every key of S["methods"], of the shape its two stream flags say.
    answer: answerOf(method, (impl as Readonly<Record<string, AnyMethod>>)[key] ?? missing(method.name)),
  }));
  return { definition, routes };
}

/** Routes by path. Throws when two services claim one path. */
export function routeTable(services: readonly RegisteredService[]): ReadonlyMap<string, Route> {
  const table = new Map<string, Route>();
  for (const route of services.flatMap((service) => service.routes)) {
    if (table.has(route.path)) throw new Error(`${route.path} is registered twice`);
    table.set(route.path, route);
  }
  return table;
}

/** What to say of a path that no service has. */
export function describeMissing(path: string, routes: ReadonlyMap<string, Route>): string {
  const [, service = "", method = ""] = path.split("/");
  const known = [...routes.keys()].some((key) => key.startsWith(`/${service}/`));
  return known ? `unknown method ${method} for service ${service}` : `unknown service ${service}`;
}

type AnyMethod = (input: unknown, context: CallContext) => unknown;

function missing(name: string): AnyMethod {
  return () => {
    throw new Error(`method ${name} has no implementation`);
  };
}

function answerOf(method: MethodDefinition<unknown, unknown>, implementation: AnyMethod): Answer {
  const complete = (response: unknown) => method.responseType.fromPartial((response ?? {}) as DeepPartial<unknown>);
  if (!method.requestStream && !method.responseStream) {
    return { kind: "unary", call: async (request, context) => complete(await implementation(request, context)) };
  }
  return {
    kind: "stream",
    async *call(requests, context) {
      const input = method.requestStream ? requests : await only(requests);
      const output = implementation(input, context);
      if (!method.responseStream) yield complete(await output);
      // ServiceMethod returns an AsyncIterable whenever responseStream is true.
      else for await (const response of output as AsyncIterable<unknown>) yield complete(response);
    },
  };
}

async function only(requests: AsyncIterable<unknown>): Promise<unknown> {
  for await (const request of requests) return request;
  throw new Error("the call ended without a request");
}
