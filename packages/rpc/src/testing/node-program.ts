import { createClient } from "../channel.ts";
import { connectH2c } from "../client.ts";
import { registerService } from "../route.ts";
import { serveH2c } from "../server.ts";
import { ConnectError } from "../socket.ts";
import { StatusError } from "../status.ts";
import { aborted, collect, EchoDefinition, each, echo, quiet, toTestStatus } from "./echo-service.ts";

/**
 * The essential calls over a real socket, on whichever runtime this is bundled for; `node.test.ts` runs it on Node. Takes
 * a socket path, prints one line per step, and must end by itself: a timer or socket left behind would keep it alive.
 */
async function main(path: string): Promise<void> {
  const check = (step: string, ok: boolean) => {
    if (!ok) throw new Error(`${step}: wrong`);
    console.log(`ok ${step}`);
  };
  const missing = await connectH2c({ path: `${path}.missing`, ...quiet }).catch((error: unknown) => error);
  check("ENOENT", missing instanceof ConnectError && missing.errno === "ENOENT");
  let tell: (reason: unknown) => void = () => {};
  // Node 20 has no Promise.withResolvers.
  const told = new Promise<unknown>((resolve) => {
    tell = resolve;
  });
  const expand: typeof echo.expand = async function* (request, context) {
    if (request.typeUrl === "wait") tell(await aborted(context));
    yield* echo.expand(request, context);
  };
  const services = [registerService(EchoDefinition, { ...echo, expand })];
  await using server = await serveH2c({ path, services, toStatus: toTestStatus, drainMs: 1000, ...quiet });
  await using channel = await connectH2c({ path, watchdogMs: 5000, ...quiet });
  check("listening", server.port === undefined);
  const client = createClient(EchoDefinition, channel);
  check("unary", (await client.one({ typeUrl: "hello" }, quiet)).typeUrl === "hello");
  check("responses", (await collect(client.expand({ value: Uint8Array.of(200) }, quiet))).length === 200);
  const value = new Uint8Array(4 * 1024 * 1024).fill(7);
  const big = Array.from({ length: 12 }, () => ({ value }));
  const counted = await Promise.all(Array.from({ length: 20 }, () => client.gather(each(...big), quiet)));
  check(
    "requests",
    counted.every((answer) => answer.typeUrl === "12 messages, 50331648 bytes"),
  );
  const echoed = await collect(client.chat(each(...big), quiet));
  check("both", echoed.length === 12 && echoed.every((answer) => answer.value.every((byte) => byte === 7)));
  const unknown = await channel
    .unary("/a.B/C", EchoDefinition.methods.one, { typeUrl: "", value }, quiet)
    .catch(asStatus);
  check("unimplemented", unknown === 12);
  const controller = new AbortController();
  const waiting = collect(client.expand({ typeUrl: "wait" }, { signal: controller.signal })).catch(asStatus);
  await client.one({}, quiet);
  controller.abort();
  check("cancelled", (await waiting) === 1);
  check("service told", (await told) instanceof StatusError);
  check(
    "deadline",
    (await collect(client.expand({ typeUrl: "wait" }, { ...quiet, timeoutMs: 20 })).catch(asStatus)) === 4,
  );
}

function asStatus(error: unknown): number {
  return error instanceof StatusError ? error.code : -1;
}

main(process.argv[2] ?? "").then(
  () => console.log("done"),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
